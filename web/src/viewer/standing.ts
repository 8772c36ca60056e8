// The button that makes the map stand up; what it does is fetched with its first click.
import { by } from "../dom";
import type { Made } from "../map/create";
import { inHash } from "../map/hash";
import { messageOf, type Params, template } from "../page";
import type { Choice } from "./choice";
import { sourceParams } from "./choice";
import type { Info, Opened, Statistics } from "./raster";

export interface Standing {
  /** Offers it for a raster of heights, and lays the map flat for any other. */
  offer(opened: Opened | null): void;
}

/** One band of numbers that are no bytes. */
const isHeights = ({ count, dtype, colormap }: Info): boolean => count === 1 && !colormap && /^(u?int(16|32)|float)/.test(dtype);

/** Sets the button up. `known` gives the choice and the statistics of its raster. */
export function standing(
  made: Promise<Made>,
  base: string,
  known: () => { readonly choice: Choice; readonly statistics: Statistics },
  fail: (text: string | null) => void,
): Standing {
  const button = by<HTMLButtonElement>("relief-button");
  const field = by("exaggeration-field");
  let shown: Opened | null = null;
  let flat: (() => void) | null = null;

  const begin = async (tilted: boolean): Promise<void> => {
    const [{ map }, { relief }] = await Promise.all([made, import("./relief")]);
    if (!shown || typeof shown.place === "string" || flat) return;
    flat = relief(map, { ...shown.place, tiles: tilesOf(base, known()) }, tilted);
    field.hidden = false;
    button.setAttribute("aria-pressed", "true");
  };
  const end = (): void => {
    flat?.();
    flat = null;
    field.hidden = true;
    button.setAttribute("aria-pressed", "false");
  };
  button.addEventListener("click", () => {
    if (flat) end();
    else begin(false).catch((error: unknown) => fail(messageOf(error)));
  });
  const wanted = Number(inHash("relief"));
  let first = wanted > 0;
  if (first) by<HTMLInputElement>("exaggeration").value = String(wanted);
  return {
    offer(opened) {
      if (opened === shown) return;
      if (flat) end();
      shown = opened;
      button.hidden = !opened || typeof opened.place === "string" || !isHeights(opened.info);
      if (first && !button.hidden) begin(true).catch((error: unknown) => fail(messageOf(error)));
      first = false;
    },
  };
}

/** Heights above the least one: there are no cliffs where the raster ends. */
function tilesOf(base: string, { choice, statistics }: { choice: Choice; statistics: Statistics }): string {
  const least = Math.min(...Object.values(statistics).map(({ min }) => min));
  const values: Params =
    Number.isFinite(least) && choice.mode === "one" && !choice.algorithm ? [["expression", `b1-(${least})`]] : [["bidx", 1]];
  return template(`${base}/tiles/WebMercatorQuad/{z}/{x}/{y}.png`, [
    ...sourceParams(choice),
    ...values,
    ["nodata", choice.nodata],
    ["unscale", choice.unscale ? "true" : ""],
    ["algorithm", "terrarium"],
    ["algorithm_params", JSON.stringify({ nodata_height: 0 })],
    ["resampling", "bilinear"],
    ["reproject", "bilinear"],
    ["tilesize", 256],
  ]);
}
