// What goes together: which controls make sense for a raster and a choice, and what most people want to see first.
import { type Choice, hasClasses, type Mode, type Range, untouched } from "./choice";
import type { Algorithm } from "./algorithms";
import { tidy } from "./histogram";
import type { Info, Statistics } from "./raster";

/** Colours where there are three bands of them, one band otherwise. */
export function firstChoice({ count, colorinterp = [] }: Info): ReturnType<typeof untouched> {
  const rgb = ["red", "green", "blue"].map((name) => colorinterp.indexOf(name) + 1);
  const visible = colorinterp.filter((name) => name !== "alpha").length || count;
  if (rgb.every((band) => band > 0)) return { ...untouched(), mode: "rgb", bands: rgb };
  if (visible >= 3) return { ...untouched(), mode: "rgb", bands: [1, 2, 3] };
  return untouched();
}

/** The classes of the first band, where the raster comes with colours for them: they are shown from the beginning. */
export function firstClasses({ class_names: names, class_colors: colours, colormap }: Info): Partial<Choice> {
  if (!colours?.["b1"] || colormap) return {};
  return { ownColormap: JSON.stringify(colours["b1"]), labels: names?.["b1"] ? JSON.stringify(names["b1"]) : "" };
}

/** How many bands the algorithm takes; null where that is free, or where there is none. */
const taken = (found: Algorithm | null): number | null => found?.inputs.nbands ?? null;

/** The ways to choose bands that fit the raster and the algorithm. */
export function modes(info: Info, found: Algorithm | null): Record<Mode, boolean> {
  const bands = taken(found);
  return { one: true, rgb: info.count >= 3 && (bands == null || bands === 3), expression: bands == null || bands === 1 };
}

/** The bands of a choice, as many as its way and its algorithm take. */
export function bandsFor(choice: Choice, info: Info, found: Algorithm | null): number[] {
  const count = taken(found) ?? (choice.mode === "rgb" ? 3 : 1);
  return Array.from({ length: count }, (_, index) => Math.min(choice.bands[index] ?? index + 1, info.count));
}

/** True where one band comes out, so that a colormap has something to colour. */
export function isColoured(choice: Choice, found: Algorithm | null): boolean {
  if (found) return (found.outputs.nbands ?? (choice.mode === "rgb" ? 3 : 1)) === 1;
  return choice.mode !== "rgb";
}

export const hasPalette = (choice: Choice, info: Info): boolean => Boolean(info.colormap) && choice.mode === "one" && !choice.algorithm;

/** True where values can be stretched: an algorithm that gives colours has its own. */
export const isStretchable = (choice: Choice, info: Info, found: Algorithm | null): boolean =>
  !hasPalette(choice, info) && !hasClasses(choice) && !(found && found.outputs.dtype === "uint8");

/** Bytes are shown as they are; all other values have to be stretched to be seen. */
export const wantsStretch = (choice: Choice, info: Info, found: Algorithm | null): boolean =>
  isStretchable(choice, info, found) && (info.dtype !== "uint8" || choice.mode === "expression" || found !== null);

/** True where values may stand for something: one band of whole numbers. */
export function areWhole(choice: Choice, statistics: Statistics, found: Algorithm | null): boolean {
  const [band, ...others] = Object.values(statistics);
  return choice.mode !== "rgb" && !found && band != null && !others.length && Number.isInteger(band.min) && Number.isInteger(band.max);
}

export type Stretch = "percentiles" | "all" | "none";

/** The ranges of a way to stretch; never one without width, which shows nothing. */
export function stretched(how: Stretch, statistics: Statistics, found: Algorithm | null): Range[] | null {
  const bands = Object.values(statistics);
  if (how === "none" || !bands.length) return null;
  const { min, max } = found?.outputs ?? {};
  return bands.map((band, index): Range => {
    const [least, most] = [min?.[index] ?? min?.[0], max?.[index] ?? max?.[0]];
    const whole: Range = how === "all" && least != null && most != null ? [least, most] : [band.min, band.max];
    const [low, high] = (how === "all" ? whole : [band.percentile_2, band.percentile_98]).map(tidy) as Range;
    return low < high ? [low, high] : [low, low + 1];
  });
}
