// Statistics of a polygon that is drawn on the map: a table, a histogram, and both as CSV.
import type { Feature, Polygon } from "geojson";
import { csvLinks } from "../csv";
import { by, element, short } from "../dom";
import { type Drawing, draw, erase } from "../map/draw";
import type { Made } from "../map/create";
import { json, messageOf, type Params } from "../page";
import { bars } from "./histogram";
import type { BandStatistics, Statistics } from "./raster";

const COLUMNS: readonly (readonly [string, keyof BandStatistics])[] = [
  ["Mean", "mean"],
  ["Median", "median"],
  ["Min", "min"],
  ["Max", "max"],
  ["Std", "std"],
  ["Valid %", "valid_percent"],
];

export interface Measuring {
  /** True while somebody draws: a click adds a corner then, and asks for no values. */
  isDrawing(): boolean;
  /** Asks again, as for other bands. */
  again(): void;
}

/** Sets the button and the panel up; `path` and `params` say what is measured. */
export function measuring(made: Promise<Made>, path: string, params: () => Params): Measuring {
  const panel = by("measure");
  const button = by<HTMLButtonElement>("measure-button");
  let drawing: Drawing | null = null;
  let polygon: Feature<Polygon> | null = null;

  const close = (): void => {
    drawing?.cancel();
    polygon = null;
    panel.hidden = true;
    void made.then(({ map }) => erase(map));
  };
  const fill = (...content: Node[]): void => {
    const away = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
    away.addEventListener("click", close);
    panel.replaceChildren(element("header", {}, element("h2", {}, "Statistics of an area"), away), ...content);
    panel.hidden = false;
  };
  const ask = async (): Promise<void> => {
    if (!polygon) return;
    fill(element("p", {}, "Measuring…"));
    try {
      const init = { method: "POST", body: JSON.stringify(polygon), headers: { "Content-Type": "application/json" } };
      const found = await json<{ properties: { statistics: Statistics } }>(path, [...params(), ["histogram_bins", 48]], init);
      const { statistics } = found.properties;
      fill(table(statistics), histogramOf(statistics), download(statistics));
    } catch (error) {
      fill(element("p", {}, messageOf(error)));
    }
  };
  const begin = async (): Promise<void> => {
    close();
    const { map } = await made;
    const finish = element("button", { type: "button", disabled: true }, "Finish");
    const add = element("button", { type: "button" }, "Add the middle");
    const words = "Click the corners of an area, and the first one again at the end. By keyboard: move the map, and add its middle.";
    fill(element("p", {}, words), element("div", { className: "row" }, add, finish));
    drawing = draw(
      map,
      (points) => (finish.disabled = points < 3),
      (drawn) => {
        drawing = null;
        polygon = drawn;
        if (drawn) void ask();
        else panel.hidden = true;
      },
    );
    const { add: put, finish: end } = drawing;
    add.addEventListener("click", put);
    finish.addEventListener("click", end);
    map.getCanvas().focus();
  };
  button.addEventListener("click", () => void begin());
  return { isDrawing: () => drawing !== null, again: () => void ask() };
}

function table(statistics: Statistics): HTMLElement {
  const head = element("tr", {}, element("th", {}, "Band"), ...COLUMNS.map(([title]) => element("th", { scope: "col" }, title)));
  const rows = Object.entries(statistics).map(([band, values]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, band),
      ...COLUMNS.map(([, key]) => element("td", {}, short(values[key] as number))),
    ),
  );
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { className: "scroll" }, made);
}

function histogramOf(statistics: Statistics): HTMLElement {
  const canvas = element("canvas", { className: "histogram", width: 320, height: 72, ariaLabel: "Histogram of the area" });
  canvas.setAttribute("role", "img");
  requestAnimationFrame(() => bars(canvas, Object.values(statistics)));
  return canvas;
}

/** The numbers, and the histogram of each band below them. */
function download(statistics: Statistics): HTMLElement {
  const lines = [
    ["band", ...COLUMNS.map(([, key]) => key)],
    ...Object.entries(statistics).map(([band, values]) => [band, ...COLUMNS.map(([, key]) => String(values[key]))]),
    [],
    ["band", "from", "to", "count"],
    ...Object.entries(statistics).flatMap(([band, { histogram: [counts, edges] }]) =>
      counts.map((count, bin) => [band, String(edges[bin]), String(edges[bin + 1]), String(count)]),
    ),
  ];
  return csvLinks(lines, "statistics.csv");
}
