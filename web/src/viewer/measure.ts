// The buttons that measure a line or an area; what they do is fetched with the first of their clicks.
import { by } from "../dom";
import type { Made } from "../map/create";
import type { Kind } from "../map/draw";
import { messageOf, type Params } from "../page";
import type { Measuring } from "./measuring";

export interface Measured {
  /** Path of the family's routes, as `cog`. */
  readonly base: string;
  /** What is measured: the raster, and how its values are read. */
  readonly values: () => Params;
  /** An algorithm that is run on them, which needs an area around each position. */
  readonly algorithm: () => Params;
}

export interface Tools {
  /** True while somebody draws: a click adds a corner then, and asks for no values. */
  isDrawing(): boolean;
  /** Asks again, as for other bands. */
  again(): void;
}

/** Sets the buttons up. */
export function tools(made: Promise<Made>, measured: Measured, fail: (text: string | null) => void): Tools {
  let measuring: Measuring | null = null;
  let beginning = false;
  const begin = async (kind: Kind): Promise<void> => {
    const [{ map }, { startMeasuring }] = await Promise.all([made, import("./measuring")]);
    measuring ??= startMeasuring(map, measured);
    measuring.begin(kind);
  };
  for (const kind of ["line", "area"] as const) {
    by(`measure-${kind}`).addEventListener("click", () => {
      beginning = true;
      begin(kind)
        .catch((error: unknown) => fail(messageOf(error)))
        .finally(() => (beginning = false));
    });
  }
  return { isDrawing: () => beginning || measuring?.isDrawing() === true, again: () => measuring?.again() };
}
