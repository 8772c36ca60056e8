// What opens over a map is seen whole.
import type { Map as MapLibreMap } from "maplibre-gl";

const EDGE = 8;

/** Moves the map, if something that is fastened to it reaches beyond its edge. */
export function keepInView(map: MapLibreMap, part: HTMLElement): void {
  const [inner, outer] = [part.getBoundingClientRect(), map.getContainer().getBoundingClientRect()];
  const beyond = (low: number, high: number, least: number, most: number): number =>
    low < least + EDGE ? low - least - EDGE : Math.max(0, high - most + EDGE);
  const [x, y] = [beyond(inner.left, inner.right, outer.left, outer.right), beyond(inner.top, inner.bottom, outer.top, outer.bottom)];
  if (x || y) map.panBy([x, y], { duration: 250 });
}
