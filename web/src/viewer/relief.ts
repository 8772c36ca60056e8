// A map that is not flat: the heights of a raster of one band, as terrain-RGB tiles (Terrarium's) that the server makes of them.
import type { Map as MapLibreMap, RasterDEMTileSource } from "maplibre-gl";
import { by } from "../dom";
import { type Bounds, meets } from "../geo";
import { keepInHash } from "../map/hash";

export interface Heights {
  readonly tiles: string;
  readonly bounds: Bounds;
  readonly minzoom: number;
  readonly maxzoom: number;
}

const SOURCE = "heights";
/** Degrees by which the map is tilted when it first stands up. */
const TILT = 55;

/** Lets the map stand up; what it returns lays it flat again. */
export function relief(map: MapLibreMap, heights: Heights, tilted: boolean): () => void {
  const slider = by<HTMLInputElement>("exaggeration");
  map.addSource(SOURCE, {
    type: "raster-dem",
    tiles: [heights.tiles],
    encoding: "terrarium",
    tileSize: 256,
    minzoom: heights.minzoom,
    maxzoom: heights.maxzoom,
  });
  const source = map.getSource<RasterDEMTileSource>(SOURCE);
  if (source) source.hasTile = ({ canonical }) => meets(heights.bounds, canonical);
  const stand = (): void => {
    map.setTerrain({ source: SOURCE, exaggeration: Number(slider.value) });
    keepInHash("relief", slider.value);
  };
  slider.addEventListener("input", stand);
  stand();
  if (!tilted) map.easeTo({ pitch: TILT, duration: 600 });
  return () => {
    slider.removeEventListener("input", stand);
    keepInHash("relief", null);
    map.setTerrain(null);
    if (map.getSource(SOURCE)) map.removeSource(SOURCE);
    map.easeTo({ pitch: 0, duration: 300 });
  };
}
