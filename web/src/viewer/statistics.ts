// Statistics by band: a table, a histogram, and both as CSV.
import { type Cell, csvLinks } from "../csv";
import { element, short } from "../dom";
import type { Kind } from "../map/draw";
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

export function statisticsOf(statistics: Statistics, kind: Kind): Node[] {
  return [table(statistics), histogramOf(statistics, kind), csvLinks(rows(statistics), "statistics.csv")];
}

function table(statistics: Statistics): HTMLElement {
  const head = element("tr", {}, element("th", {}, "Band"), ...COLUMNS.map(([title]) => element("th", { scope: "col" }, title)));
  const lines = Object.entries(statistics).map(([band, values]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, band),
      ...COLUMNS.map(([, key]) => element("td", {}, short(values[key] as number))),
    ),
  );
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { className: "scroll" }, made);
}

function histogramOf(statistics: Statistics, kind: Kind): HTMLElement {
  const canvas = element("canvas", { className: "histogram", width: 320, height: 72, ariaLabel: `Histogram of the ${kind}` });
  canvas.setAttribute("role", "img");
  requestAnimationFrame(() => bars(canvas, Object.values(statistics)));
  return canvas;
}

/** The numbers, and the histogram of each band below them. */
const rows = (statistics: Statistics): Cell[][] => [
  ["band", ...COLUMNS.map(([, key]) => key)],
  ...Object.entries(statistics).map(([band, values]) => [band, ...COLUMNS.map(([, key]) => values[key] as number)]),
  [],
  ["band", "from", "to", "count"],
  ...Object.entries(statistics).flatMap(([band, { histogram: [counts, edges] }]) =>
    counts.map((count, bin) => [band, edges[bin], edges[bin + 1], count]),
  ),
];
