// Where the browser has no WebGL.
import { by, say } from "../dom";
import { address, isAccess, type Params } from "../page";
import { type Choice, sourceParams } from "./choice";
import { factsOf } from "./raster";

/**
 * Without WebGL the page that needs none takes over, once there is something to show that has a place on a map.
 * `showHere` shows what has none.
 */
export async function withoutWebGL(base: string, choice: Choice, wanted: boolean, showHere: () => Promise<unknown>): Promise<void> {
  const to = (query: Params): string => `${address(`${base}/WebMercatorQuad/map.html`, query)}#no-webgl`;
  const given = [...new URLSearchParams(location.search)].filter(([name]) => name !== "format" && !isAccess(name));
  if (wanted) {
    const facts = await factsOf(base, sourceParams(choice), choice.assets, new AbortController().signal).catch(() => null);
    if (!facts || facts.bounds) return location.replace(to(given));
    await showHere();
    return;
  }
  say("This browser has no WebGL, so rasters are shown on a plain map, without the controls.");
  by("open").addEventListener("submit", () => location.assign(to(sourceParams(choice))));
}
