// A picture of the whole raster where the map is going to show it: there before the map is.
import { by, element } from "../dom";
import { type Bounds, pieces, sizeAtZero } from "../geo";
import { deepest, PADDING } from "../map/fit";

/** Milliseconds after which nobody waits for the picture any more. */
const PATIENCE = 400;

/** Shows a picture where the raster will be; `seen` is called when it is there, or does not come soon. The function that it
 * returns takes it away. */
export function firstLook(bounds: Bounds, minzoom: number, picture: (box: Bounds) => string, seen: () => void): () => void {
  const map = by("map");
  const { clientWidth, clientHeight } = map;
  const [wide, high] = sizeAtZero(bounds);
  const room = (size: number): number => Math.max(size - 2 * PADDING, 1);
  const zoom = Math.min(Math.log2(room(clientWidth) / wide), Math.log2(room(clientHeight) / high), deepest(minzoom));
  const [width, height] = [wide * 2 ** zoom, high * 2 ** zoom];
  const parts = pieces(bounds).map((box) => {
    const image = element("img", { alt: "", src: picture(box) });
    image.style.width = `${sizeAtZero(box)[0] * 2 ** zoom}px`;
    image.addEventListener("error", () => image.remove());
    return image;
  });
  const frame = element("div", { className: "first-look" }, ...parts);
  Object.assign(frame.style, {
    left: `${(clientWidth - width) / 2}px`,
    top: `${(clientHeight - height) / 2}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
  by("stage").append(frame);
  const decoded = parts.map((image) => image.decode().catch(() => undefined));
  void Promise.all(decoded).then(() => requestAnimationFrame(() => setTimeout(seen)));
  setTimeout(seen, PATIENCE);
  return () => frame.remove();
}
