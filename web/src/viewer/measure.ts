// The buttons that measure a line or an area; what they do is fetched with the first of their clicks.
import { by } from "../dom";
import type { Made } from "../map/create";
import { inHash } from "../map/hash";
import { messageOf, type Params } from "../page";
import type { Measuring } from "./measuring";

/** The name that a line or an area has in the page's address after #. */
export const DRAWN = "drawn";

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
  /** Shows the line or area that the page's address holds, and nothing where it holds none. */
  recall(): void;
  /** Takes away what was drawn. */
  close(): void;
}

/** Sets the buttons up. */
export function tools(made: Promise<Made>, measured: Measured, fail: (text: string | null) => void): Tools {
  let measuring: Measuring | null = null;
  let beginning = false;
  const fetched = async (): Promise<Measuring> => {
    const [{ map }, { startMeasuring }] = await Promise.all([made, import("./measuring")]);
    return (measuring ??= startMeasuring(map, measured));
  };
  for (const kind of ["line", "area"] as const) {
    by(`measure-${kind}`).addEventListener("click", () => {
      beginning = true;
      fetched()
        .then(({ begin }) => begin(kind))
        .catch((error: unknown) => fail(messageOf(error)))
        .finally(() => (beginning = false));
    });
  }
  const recall = (): void => {
    if (measuring) measuring.recall();
    else if (inHash(DRAWN)) void fetched().then((ready) => ready.recall(), (error: unknown) => fail(messageOf(error)));
  };
  return {
    isDrawing: () => beginning || measuring?.isDrawing() === true,
    again: () => measuring?.again(),
    recall,
    close: () => measuring?.close(),
  };
}
