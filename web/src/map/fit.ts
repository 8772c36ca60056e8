// Views that a raster fits into.
import type { FitBoundsOptions, Map as MapLibreMap } from "maplibre-gl";
import { type Bounds, unrolled } from "../geo";

export const PADDING = 40;

/** The deepest zoom that a raster is first shown at: deep enough for its own first tiles. */
export const deepest = (minzoom: number): number => Math.max(17, minzoom + 1);

/** Moves the map so that the bounds fill it. */
export function fitTo(map: MapLibreMap, bounds: Bounds, minzoom: number, options: FitBoundsOptions = {}): void {
  const [west, south, east, north] = unrolled(bounds);
  map.fitBounds(
    [
      [west, Math.max(south, -85)],
      [east, Math.min(north, 85)],
    ],
    { padding: PADDING, duration: 0, maxZoom: deepest(minzoom), ...options },
  );
}
