// A raster that has no place on a map of the Earth: its picture with a grid of its own coordinates, and values at a click.
import { by, element, short } from "../dom";
import { address, messageOf, type Params } from "../page";
import { shape, ticks } from "../plot";
import { readingParams, untouched } from "./choice";
import { firstChoice, stretched, wantsStretch } from "./look";
import { type Info, measure } from "./raster";
import { spectrum } from "./spectrum";

export interface Shown {
  /** Path of the family's routes, as `cog`. */
  readonly base: string;
  readonly source: Params;
  readonly info: Info;
  readonly mostBands: number;
}

/** Shows it over the map. The function that it returns takes it away. */
export async function withoutPlace(shown: Shown, signal: AbortSignal): Promise<() => void> {
  const { info } = shown;
  const [left, bottom, right, top] = info.bounds;
  // pixels are counted from the first row on, which is the uppermost
  const pixels = info.crs === null && left === 0 && bottom === 0 && right === info.width && top === info.height;
  const [first, last] = pixels ? [bottom, top] : [top, bottom];
  const image = element("img", { alt: "The raster, without a map", src: await picture(shown, signal) });
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
    void valuesAt(shown, x, y);
  });
  const frame = element("div", { className: "plain-picture" }, element("div", { className: "fitted" }, gridded), caption);
  const stage = by("stage");
  stage.classList.add("plain");
  stage.append(frame);
  return () => {
    frame.remove();
    stage.classList.remove("plain");
    by("measure").hidden = true;
  };
}

/** The address of a picture of the likeliest bands, stretched where they have to be. */
async function picture({ base, source, info }: Shown, signal: AbortSignal): Promise<string> {
  const choice = { ...untouched(), ...firstChoice(info), url: "", assets: [], group: "", variable: "", sel: [], format: "", opacity: 1 };
  const read = [...source, ...readingParams(choice)];
  const ranges = wantsStretch(choice, info, null) ? stretched("percentiles", await measure(base, read, signal), null) : null;
  const rescale = (ranges ?? []).map(([low, high]) => ["rescale", `${low},${high}`] as const);
  return address(`${base}/preview.png`, [...read, ...rescale, ["max_size", 1024]]);
}

async function valuesAt({ base, source, info, mostBands }: Shown, x: number, y: number): Promise<void> {
  const panel = by("measure");
  const away = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
  away.addEventListener("click", () => (panel.hidden = true));
  const said = `Values at ${short(x)}, ${short(y)}`;
  panel.ariaLabel = said;
  panel.hidden = false;
  const content = element("div", { className: "values" }, "…");
  panel.replaceChildren(element("header", {}, element("h2", {}, said), away), content);
  try {
    const placed: Params = [...source, ["coord_crs", info.crs]];
    const at = { longitude: x, latitude: y, axes: ["x", "y"] as const };
    content.replaceChildren(...(await spectrum({ base, ...at, source: placed, expression: "", info, mostBands })));
  } catch (error) {
    content.textContent = messageOf(error);
  }
}
