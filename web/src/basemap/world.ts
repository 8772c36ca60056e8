// The world that comes with the service: Natural Earth's land, coasts, borders and names, as GeoJSON.
import type { Feature, FeatureCollection, LineString, MultiLineString, MultiPolygon, Point, Polygon, Position } from "geojson";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";

export type Detail = "110m" | "50m";

interface Countries extends Topology<{ countries: GeometryCollection; land: GeometryCollection }> {}

interface Names {
  /** Name, longitude, latitude, area in square degrees at the equator. */
  readonly countries: readonly [string, number, number, number][];
  readonly places: readonly [string, number, number][];
}

export interface World {
  readonly land: Feature<MultiPolygon>;
  readonly coasts: Feature<MultiLineString>;
  readonly borders: Feature<MultiLineString>;
}

const file = async <Body>(name: string): Promise<Body> => {
  const response = await fetch(new URL(`../world/${name}.json`, import.meta.url));
  if (!response.ok) throw new Error(`The basemap answered ${response.status}.`);
  return (await response.json()) as Body;
};

export async function world(detail: Detail): Promise<World> {
  const topology = await file<Countries>(detail);
  const { countries, land } = topology.objects;
  return {
    land: polygons(feature(topology, land) as FeatureCollection<Polygon | MultiPolygon>),
    coasts: lines(mesh(topology, land)),
    borders: lines(mesh(topology, countries, (one, other) => one !== other)),
  };
}

/** Countries and cities as points with `name`, `kind` and `zoom`, the least at which there is room for them. */
export async function names(): Promise<FeatureCollection<Point>> {
  const { countries, places } = await file<Names>("names");
  const point = (at: Position, properties: Record<string, unknown>): Feature<Point> => ({
    type: "Feature",
    properties,
    geometry: { type: "Point", coordinates: at },
  });
  return {
    type: "FeatureCollection",
    features: [
      ...countries.map(([name, x, y, area]) =>
        point([x, y], { name, kind: "country", area, zoom: Math.max(0, 4.2 - Math.log2(area + 0.5) / 2) }),
      ),
      ...places.map(([name, x, y]) => point([x, y], { name, kind: "place", area: 0, zoom: 3.5 })),
    ],
  };
}

/** A line whose longitudes go on beyond 180 where it crosses the antimeridian. */
function unrolled(line: readonly Position[]): Position[] {
  let offset = 0;
  return line.map(([x = 0, y = 0], index) => {
    if (index) offset -= Math.round((x - (line[index - 1]?.[0] ?? x)) / 360) * 360;
    return [x + offset, y];
  });
}

/** A ring that closes; one around a pole, which does not, is led along the map's edge. */
function closed(ring: readonly Position[]): Position[] {
  const line = unrolled(ring);
  const [first, last] = [line[0]?.[0] ?? 0, line.at(-1)?.[0] ?? 0];
  if (Math.abs(last - first) < 180) return line;
  return [...line, [last, -90], [first, -90], line[0] ?? [first, -90]];
}

function polygons({ features }: FeatureCollection<Polygon | MultiPolygon>): Feature<MultiPolygon> {
  const found = features.flatMap(({ geometry }) =>
    geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates,
  );
  return {
    type: "Feature",
    properties: {},
    geometry: { type: "MultiPolygon", coordinates: found.map((rings) => rings.map(closed)) },
  };
}

/** The lines without what only cuts the world in two: along the antimeridian and along the poles. */
function lines(geometry: MultiLineString | LineString): Feature<MultiLineString> {
  const parts = geometry.type === "LineString" ? [geometry.coordinates] : geometry.coordinates;
  return {
    type: "Feature",
    properties: {},
    geometry: { type: "MultiLineString", coordinates: parts.flatMap((part) => uncut(unrolled(part))) },
  };
}

function uncut(line: readonly Position[]): Position[][] {
  const atEdge = ([x = 0, y = 0]: Position): boolean => Math.abs(Math.abs(x) - 180) < 1e-4 || y < -85.5;
  const found: Position[][] = [];
  let part: Position[] = [];
  line.forEach((point, index) => {
    const before = line[index - 1];
    if (before && atEdge(before) && atEdge(point)) {
      if (part.length > 1) found.push(part);
      part = [];
    }
    part.push(point);
  });
  if (part.length > 1) found.push(part);
  return found;
}
