// Layers of the catalog on a map, in the list's order.
import type { Map as MapLibreMap } from "maplibre-gl";
import { credits } from "../dom";
import { addRaster, hasRaster, removeRaster } from "../map/raster";
import { type LayerState, previewOf, tilesOf } from "./layer";

/** Puts a layer on the map or takes it away, as its state says. */
export function show(map: MapLibreMap, states: readonly LayerState[], state: LayerState): void {
  const { layer, bounds, opacity } = state;
  if (!state.on) return removeRaster(map, layer.id);
  if (hasRaster(map, layer.id)) return;
  const above = states.slice(states.indexOf(state) + 1).find((other) => hasRaster(map, other.layer.id));
  const raster = {
    id: layer.id,
    bounds,
    minzoom: layer.minzoom,
    maxzoom: layer.maxzoom,
    tiles: tilesOf(state),
    tileSize: window.devicePixelRatio > 1.25 ? 256 : 512,
    attribution: credits(layer.attribution),
    opacity,
    preview: (box: LayerState["bounds"]) => previewOf(state, box),
  };
  addRaster(map, raster, above?.layer.id);
}
