// Meridians and parallels.
import type { Feature, MultiLineString, Position } from "geojson";

/** Meridians and parallels so many degrees apart. */
export function graticule(step: number): Feature<MultiLineString> {
  const lines: Position[][] = [];
  for (let longitude = -180; longitude < 180; longitude += step) {
    const points: Position[] = [];
    for (let latitude = -90; latitude <= 90; latitude += 2) points.push([longitude, latitude]);
    lines.push(points);
  }
  for (let latitude = -90 + step; latitude < 90; latitude += step) {
    const points: Position[] = [];
    for (let longitude = -180; longitude <= 180; longitude += 2) points.push([longitude, latitude]);
    lines.push(points);
  }
  return { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } };
}
