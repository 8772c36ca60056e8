// What a document is, as far as pages tell such apart.
import type { GeoJSON } from "geojson";

export type Json = Readonly<Record<string, unknown>>;

export interface Item extends Json {
  readonly assets: Readonly<Record<string, { readonly href?: unknown; readonly type?: unknown }>>;
  readonly links?: readonly { readonly rel?: unknown; readonly href?: unknown }[];
}

const GEOMETRIES = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"];

export const isObject = (found: unknown): found is Json => typeof found === "object" && found !== null && !Array.isArray(found);

export const isItem = (found: Json): found is Item => found["type"] === "Feature" && isObject(found["assets"]);

export const isGeoJson = (found: Json): found is Json & GeoJSON =>
  ["Feature", "FeatureCollection", ...GEOMETRIES].includes(String(found["type"]));
