// A raster that has no place on a map of the Earth: its picture with a grid of its own coordinates, and values at a click.
import { by, element, short } from "../dom";
import { messageOf, picture } from "../page";
import { shape, ticks } from "../plot";
import type { Info } from "./raster";
import { type Asked, spectrum } from "./spectrum";

/** What a click asks for, but for its place. */
export type Asking = Omit<Asked, "longitude" | "latitude" | "axes">;

export interface Plain {
  /** Shows the picture at this address, in place of one that is still on its way. */
  show(address: string): Promise<void>;
  /** Takes it away. */
  end(): void;
}

/** Makes room for the picture over the map. `asking` says what is shown when somebody clicks. */
export function withoutPlace(info: Info, asking: () => Asking): Plain {
  const [left, bottom, right, top] = info.bounds;
  // pixels are counted from the first row on, which is the uppermost
  const pixels = info.crs === null && left === 0 && bottom === 0 && right === info.width && top === info.height;
  const [first, last] = pixels ? [bottom, top] : [top, bottom];
  const image = element("img", { alt: "The raster, without a map" });
  const grid = shape("svg", { "aria-hidden": "true" });
  for (const [low, high, axis] of [[left, right, "x"], [first, last, "y"]] as const) {
    for (const value of ticks(Math.min(low, high), Math.max(low, high))) {
      const at = `${((value - low) / (high - low)) * 100}%`;
      const across = axis === "x";
      grid.append(
        shape("line", across ? { x1: at, x2: at, y1: 0, y2: "100%" } : { x1: 0, x2: "100%", y1: at, y2: at }),
        shape("text", across ? { x: at, y: "100%", dy: 15, "text-anchor": "middle" } : { x: 0, y: at, dx: -6, dy: 4, "text-anchor": "end" }, short(value)),
      );
    }
  }
  const caption = element("p", { className: "soft small" }, pixels ? "Pixels" : "Coordinates of the raster's CRS");
  const gridded = element("div", { className: "gridded" }, image, grid);
  const ratio = Math.abs((right - left) / (top - bottom)) || 1;
  gridded.style.width = `min(100cqw, ${100 * ratio}cqh)`;
  gridded.style.aspectRatio = String(ratio);
  gridded.addEventListener("click", (event) => {
    const box = gridded.getBoundingClientRect();
    const part = (at: number, start: number, size: number): number => Math.min(Math.max((at - start) / size, 0), 1 - 1e-9);
    const x = left + part(event.clientX, box.left, box.width) * (right - left);
    const y = first + part(event.clientY, box.top, box.height) * (last - first);
    void valuesAt(asking(), x, y);
  });
  const frame = element("div", { className: "plain-picture" }, element("div", { className: "fitted" }, gridded), caption);
  const stage = by("stage");
  stage.classList.add("plain");
  stage.append(frame);
  let running = new AbortController();
  return {
    show: async (address) => {
      running.abort();
      running = new AbortController();
      const before = image.src;
      image.src = URL.createObjectURL(await picture(address, running.signal));
      URL.revokeObjectURL(before);
    },
    end: () => {
      running.abort();
      URL.revokeObjectURL(image.src);
      frame.remove();
      stage.classList.remove("plain");
      by("measure").hidden = true;
    },
  };
}

async function valuesAt(asking: Asking, x: number, y: number): Promise<void> {
  const panel = by("measure");
  const away = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
  away.addEventListener("click", () => (panel.hidden = true));
  const said = `Values at ${short(x)}, ${short(y)}`;
  panel.ariaLabel = said;
  panel.hidden = false;
  const content = element("div", { className: "values" }, "…");
  panel.replaceChildren(element("header", {}, element("h2", {}, said), away), content);
  try {
    const source = [...asking.source, ["coord_crs", asking.info.crs] as const];
    content.replaceChildren(...(await spectrum({ ...asking, longitude: x, latitude: y, axes: ["x", "y"], source })));
  } catch (error) {
    content.textContent = messageOf(error);
  }
}
