// GeoJSON on the map, in the reader's browser alone.
import type { GeoJSON } from "geojson";
import type { GeoJSONSource, Map as MapLibreMap } from "maplibre-gl";
import type { Bounds } from "../geo";
import { fitTo } from "../map/fit";

const ID = "dropped";
const COLOUR = "#e4572e";

export function showShapes(map: MapLibreMap, shapes: GeoJSON): void {
  const source = map.getSource<GeoJSONSource>(ID);
  const data = "coordinates" in shapes || "geometries" in shapes ? { type: "Feature" as const, properties: {}, geometry: shapes } : shapes;
  if (source) source.setData(data);
  else {
    map.addSource(ID, { type: "geojson", data });
    map.addLayer({ id: `${ID}-area`, type: "fill", source: ID, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": COLOUR, "fill-opacity": 0.12 } });
    map.addLayer({ id: `${ID}-line`, type: "line", source: ID, paint: { "line-color": COLOUR, "line-width": 2 } });
    map.addLayer({ id: `${ID}-point`, type: "circle", source: ID, filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": COLOUR, "circle-radius": 5 } });
  }
  const bounds = boundsOf(shapes);
  if (bounds) fitTo(map, bounds, 0);
}

/** West, south, east and north of all positions; null where there are none. */
function boundsOf(shapes: unknown): Bounds | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const waiting: unknown[] = [shapes];
  while (waiting.length) {
    const one = waiting.pop();
    if (!Array.isArray(one)) {
      const { features, geometry, geometries, coordinates } = (one ?? {}) as Record<string, unknown>;
      waiting.push(...[features, geometry, geometries, coordinates].filter((part) => typeof part === "object" && part !== null));
    } else if (typeof one[0] === "number" && typeof one[1] === "number") {
      [west, south, east, north] = [Math.min(west, one[0]), Math.min(south, one[1]), Math.max(east, one[0]), Math.max(north, one[1])];
    } else for (const part of one) waiting.push(part);
  }
  return west <= east && Math.abs(south) <= 90 && Math.abs(north) <= 90 ? [west, south, east, north] : null;
}
