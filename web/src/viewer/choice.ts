// How a raster is shown, as the controls and the page's address have it, and in the words of the API.
import { inHash } from "../map/hash";
import type { Params } from "../page";

export type Mode = "one" | "rgb" | "expression";
export type Range = [number, number];
export type Parameters = Readonly<Record<string, string>>;

export interface Choice {
  url: string;
  assets: string[];
  /** How many bands each of the assets has, once that is known. */
  assetBands: readonly number[];
  /** Of a Zarr store: its group, a variable of it, and what is selected along its dimensions, as `name=value`. */
  group: string;
  variable: string;
  sel: readonly string[];
  mode: Mode;
  bands: number[];
  expression: string;
  ranges: Range[] | null;
  colormap: string;
  /** A colormap given as JSON: that of classes, or one that the controls leave as it is. */
  ownColormap: string;
  /** JSON of the names of classes by value. */
  labels: string;
  resampling: string;
  format: string;
  nodata: string;
  algorithm: string;
  /** Those of the algorithm that are not at their defaults. */
  parameters: Parameters;
  /** Pixels beyond each tile's edge that the algorithm looks at. */
  buffer: string;
  colorFormula: string;
  unscale: boolean;
  opacity: number;
}

/** What one raster's look begins with. */
export const untouched = (): Omit<Choice, "url" | "assets" | "assetBands" | "group" | "variable" | "sel" | "format" | "opacity"> => ({
  mode: "one",
  bands: [1],
  expression: "",
  ranges: null,
  colormap: "",
  ownColormap: "",
  labels: "",
  resampling: "",
  nodata: "",
  algorithm: "",
  parameters: {},
  buffer: "",
  colorFormula: "",
  unscale: false,
});

/** The choice that an address asks for. `looks` is false where it says nothing of how the raster looks. */
export function recalled(given: URLSearchParams): { choice: Choice; looks: boolean } {
  const bands = given.getAll("bidx").map(Number).filter((band) => Number.isInteger(band) && band > 0);
  const expression = given.get("expression") ?? "";
  const ranges = given.getAll("rescale").map((text) => text.split(",").map(Number) as Range);
  const opacity = Number(inHash("opacity") ?? 1);
  const choice: Choice = {
    ...untouched(),
    url: given.get("url") ?? "",
    assets: given.getAll("assets"),
    assetBands: [],
    group: given.get("group") ?? "",
    variable: given.get("variable") ?? "",
    sel: given.getAll("sel").filter((one) => one.includes("=")),
    ranges: ranges.length ? ranges : null,
    colormap: given.get("colormap_name") ?? "",
    ownColormap: given.get("colormap") ?? "",
    labels: given.get("labels") ?? "",
    resampling: given.get("resampling") ?? "",
    format: given.get("format") ?? "",
    nodata: given.get("nodata") ?? "",
    algorithm: given.get("algorithm") ?? "",
    parameters: parametersIn(given.get("algorithm_params")),
    colorFormula: given.get("color_formula") ?? "",
    unscale: given.get("unscale") === "true",
    opacity: opacity >= 0 && opacity <= 1 ? opacity : 1,
  };
  if (bands.length) {
    choice.bands = bands.slice(0, bands.length >= 3 ? 3 : bands.length);
    choice.mode = bands.length >= 3 ? "rgb" : "one";
  }
  if (expression) Object.assign(choice, { mode: "expression", expression });
  return { choice, looks: Boolean(bands.length || expression || choice.algorithm) };
}

function parametersIn(text: string | null): Parameters {
  try {
    const found = JSON.parse(text ?? "{}") as Record<string, unknown>;
    return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)]));
  } catch {
    return {};
  }
}

/** True where each value or span of values has a colour of its own: nothing is stretched then. */
export function hasClasses({ ownColormap }: Choice): boolean {
  try {
    return ownColormap !== "" && Object.keys(JSON.parse(ownColormap) as object).length !== 256;
  } catch {
    return false;
  }
}

/** What names a store of several variables, or a raster. */
export const storeParams = ({ url, group }: Choice): Params => [
  ["url", url],
  ["group", group],
];

/** What names the raster in a request: nothing where the path does. */
export const sourceParams = (choice: Choice): Params => [
  ...storeParams(choice),
  ["variable", choice.variable],
  ...choice.sel.map((one) => ["sel", one] as const),
  ...choice.assets.map((asset) => ["assets", asset] as const),
];

/** How the raster is read. */
export const readingParams = (choice: Choice): Params => [
  ...(choice.mode === "expression" ? [] : choice.bands.map((band) => ["bidx", band] as const)),
  ["expression", choice.mode === "expression" ? choice.expression : ""],
  ["nodata", choice.nodata],
  ["unscale", choice.unscale ? "true" : ""],
];

/** The raster and how it is read, as requests have it: assets are asked for with the bands that are shown of them. */
export function valueParams(choice: Choice): Params {
  const { assets, assetBands, bands, mode } = choice;
  const whole = bands.length === assetBands.reduce((sum, count) => sum + count, 0) && bands.every((band, index) => band === index + 1);
  if (!assetBands.length || mode === "expression" || whole) return [...sourceParams(choice), ...readingParams(choice)];
  const all = assetBands.flatMap((count, asset) => Array.from({ length: count }, (_, band) => ({ name: assets[asset] ?? "", band: band + 1 })));
  const chosen: { name: string; bands: number[] }[] = [];
  for (const number of bands) {
    const found = all[number - 1];
    if (!found) continue;
    if (chosen.at(-1)?.name === found.name) chosen.at(-1)?.bands.push(found.band);
    else chosen.push({ name: found.name, bands: [found.band] });
  }
  const source = sourceParams(choice).filter(([name]) => name !== "assets");
  const reading = readingParams(choice).filter(([name]) => name !== "bidx");
  return [...source, ...chosen.map(({ name, bands: of }) => ["assets", `${name}|bidx=${of.join(",")}`] as const), ...reading];
}

/** What an algorithm makes of the values. */
export function algorithmParams({ algorithm, parameters, buffer }: Choice): Params {
  if (!algorithm) return [];
  const numbers = Object.entries(parameters).map(([name, value]) => [name, Number.isNaN(Number(value)) ? value : Number(value)]);
  return [
    ["algorithm", algorithm],
    ["algorithm_params", numbers.length ? JSON.stringify(Object.fromEntries(numbers)) : ""],
    ["buffer", buffer],
  ];
}

/** What a legend says beside the colours. */
export const legendParams = ({ labels }: Choice): Params => [["labels", labels]];

/** Everything that decides how tiles look. `coloured` is false where a colormap has nothing to colour. */
export const renderingParams = (choice: Choice, coloured: boolean): Params => [...valueParams(choice), ...lookParams(choice, coloured)];

/** The same as the page's address has it. */
export const addressParams = (choice: Choice, coloured: boolean): Params => [
  ...sourceParams(choice),
  ...readingParams(choice),
  ...lookParams(choice, coloured),
];

const lookParams = (choice: Choice, coloured: boolean): Params => [
  ...algorithmParams(choice),
  ...(choice.ranges ?? []).map(([low, high]) => ["rescale", `${low},${high}`] as const),
  ["color_formula", choice.colorFormula],
  ["colormap_name", coloured && !choice.ownColormap ? choice.colormap : ""],
  ["colormap", coloured ? choice.ownColormap : ""],
  ["resampling", choice.resampling],
  ["reproject", choice.resampling],
];
