// Where the browser has no WebGL.
import { by, say } from "../dom";
import { address, isAccess, type Params } from "../page";
import { type Choice, readingParams, recalled, sourceParams } from "./choice";
import { firstChoice, stretched, wantsStretch } from "./look";
import { factsOf, type Info, measure } from "./raster";

/**
 * Without WebGL the page that needs none takes over, once there is something to show that has a place on a map.
 * `showHere` shows what has none.
 */
export async function withoutWebGL(base: string, choice: Choice, wanted: boolean, showHere: () => Promise<unknown>): Promise<void> {
  const to = (query: Params): string => `${address(`${base}/WebMercatorQuad/map.html`, query)}#no-webgl`;
  const given = [...new URLSearchParams(location.search)].filter(([name]) => name !== "format" && !isAccess(name));
  if (wanted) {
    const facts = await factsOf(base, sourceParams(choice), choice.assets, new AbortController().signal).catch(() => null);
    if (!facts || facts.bounds) return location.replace(to([...given, ...(facts ? await firstLook(base, choice, facts.info) : [])]));
    await showHere();
    return;
  }
  say("This browser has no WebGL, so rasters are shown on a plain map, without the controls.");
  by("open").addEventListener("submit", () => location.assign(to(sourceParams(choice))));
}

/** Bands and their ranges, as the viewer begins with them, where the address says nothing of how the raster looks. */
async function firstLook(base: string, choice: Choice, info: Info): Promise<Params> {
  const { ranges, colormap, ownColormap } = choice;
  if (recalled(new URLSearchParams(location.search)).looks || ranges || colormap || ownColormap || choice.assets.length) return [];
  const begun: Choice = { ...choice, ...firstChoice(info) };
  if (!wantsStretch(begun, info, null)) return [];
  const bands = readingParams(begun);
  const statistics = await measure(base, [...sourceParams(choice), ...bands], new AbortController().signal).catch(() => ({}));
  const spread = stretched("percentiles", statistics, null) ?? [];
  return [...bands, ...spread.map(([low, high]) => ["rescale", `${low},${high}`] as const)].filter(([, value]) => value !== "");
}
