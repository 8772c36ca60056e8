// Two looks side by side: the one that was kept, right of a handle, and the one that the controls show, left of it.
import type { Map as MapLibreMap } from "maplibre-gl";
import { by, credits } from "../dom";
import type { Bounds } from "../geo";
import { createMap, type Made } from "../map/create";
import { inHash, keepInHash } from "../map/hash";
import { addRaster } from "../map/raster";
import { swipe } from "../map/swipe";
import { address, json, messageOf, type Params, template } from "../page";
import type { TileJson } from "./raster";

const NAME = "kept";

/** Sets the button up. `look` says what is shown now; what is kept stands in the page's address. */
export function comparing(base: string, made: Promise<Made>, look: () => Params, fail: (text: string | null) => void): void {
  const button = by<HTMLButtonElement>("compare-button");
  let end: (() => void) | null = null;

  const keep = async (params: Params): Promise<void> => {
    const { map } = await made;
    by("over").hidden = false;
    const upper = await createMap({
      container: "over",
      attributionControl: false,
      center: map.getCenter(),
      zoom: map.getZoom(),
      bearing: map.getBearing(),
      pitch: map.getPitch(),
    });
    const apart = swipe(map, upper.map);
    end = () => {
      apart();
      upper.map.remove();
      by("over").hidden = true;
      keepInHash(NAME, null);
    };
    button.textContent = "End the comparison";
    await show(upper.map, base, params);
    upper.dress();
  };
  const stop = (): void => {
    end?.();
    end = null;
    button.textContent = "Compare";
  };
  button.addEventListener("click", () => {
    if (end) return stop();
    const params = look().filter(([, value]) => value !== "" && value != null);
    keepInHash(NAME, new URLSearchParams(params.map(([name, value]) => [name, String(value)])).toString());
    keep(params).catch((error: unknown) => fail(messageOf(error)));
  });
  const kept = inHash(NAME);
  if (kept) keep([...new URLSearchParams(kept)]).catch((error: unknown) => fail(messageOf(error)));
}

async function show(map: MapLibreMap, base: string, params: Params): Promise<void> {
  const [facts, { bbox }] = await Promise.all([
    json<TileJson>(`${base}/WebMercatorQuad/tilejson.json`, params),
    json<{ bbox?: Bounds }>(`${base}/info.geojson`, params),
  ]);
  addRaster(map, {
    id: "kept",
    // which alone can say that it crosses the antimeridian
    bounds: bbox ?? facts.bounds,
    minzoom: facts.minzoom,
    maxzoom: facts.maxzoom,
    tiles: template(`${base}/tiles/WebMercatorQuad/{z}/{x}/{y}`, [...params, ["tilesize", 512]]),
    tileSize: window.devicePixelRatio > 1.25 ? 256 : 512,
    attribution: credits(facts.attribution),
    opacity: 1,
    preview: (box) => address(`${base}/bbox/${box.join(",")}.png`, [...params, ["dst_crs", "epsg:3857"], ["max_size", 512]]),
  });
}
