// What the server tells of a raster: its facts, where it is, and how its values are spread.
import type { Bounds } from "../geo";
import type { Names } from "../legend";
import { json, type Params } from "../page";

/** Degrees of latitude at which Web Mercator ends. */
const EDGE = 85.0511;

export interface Info {
  /** Left, bottom, right, top in the raster's own CRS. */
  readonly bounds: Bounds;
  readonly count: number;
  readonly dtype: string;
  readonly crs: string | null;
  readonly width: number;
  readonly height: number;
  readonly driver: string;
  readonly band_descriptions: readonly (readonly [string, string])[];
  readonly band_metadata?: readonly (readonly [string, Readonly<Record<string, string>>])[];
  readonly colorinterp?: readonly string[];
  readonly colormap?: unknown;
  /** What values are called, by the name of the band. */
  readonly class_names?: Readonly<Record<string, Names>>;
  /** Colours that are proposed for values, by the name of the band. */
  readonly class_colors?: Readonly<Record<string, Names>>;
  readonly nodata_type: string;
  readonly nodata_value?: number | null;
  readonly overviews?: readonly number[];
}

export interface TileJson {
  readonly bounds: Bounds;
  readonly minzoom: number;
  readonly maxzoom: number;
  readonly attribution?: string;
}

export interface BandStatistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  readonly median: number;
  readonly percentile_2: number;
  readonly percentile_98: number;
  readonly valid_percent: number;
  readonly histogram: readonly [readonly number[], readonly number[]];
}

export type Statistics = Readonly<Record<string, BandStatistics>>;

/** Where a raster is on this map. */
export interface Place extends Omit<TileJson, "bounds"> {
  /** Also across the antimeridian, which TileJSON's own bounds cannot say. */
  readonly bounds: Bounds;
}

export interface Opened {
  readonly info: Info;
  /** In words why it has none, where it has no place on this map. */
  readonly place: Place | string;
}

interface Feature {
  readonly bbox?: Bounds;
  readonly geometry: unknown;
  readonly properties: Info & Record<string, Info>;
}

export interface Facts {
  readonly info: Info;
  /** How many bands each of the assets has that it is made of. */
  readonly counts: readonly number[];
  /** In degrees; null where it has no place on the Earth. */
  readonly bounds: Bounds | null;
}

/** What the raster says of itself. */
export async function factsOf(base: string, source: Params, assets: readonly string[], signal: AbortSignal): Promise<Facts> {
  const feature = await json<Feature>(`${base}/info.geojson`, source, { signal });
  const counts = assets.flatMap((asset) => feature.properties[asset]?.count ?? []);
  return { info: infoOf(feature, assets), counts: counts.length === assets.length ? counts : [], bounds: feature.geometry ? (feature.bbox ?? null) : null };
}

/** Where it is on this map. What has no place on it is not asked for: that it has none is no failure. */
export async function placeOf(base: string, source: Params, { info, bounds }: Facts, signal: AbortSignal): Promise<Place | string> {
  if (!bounds) return info.crs ? "The raster's coordinate reference system is not one of the Earth." : "The raster has no coordinate reference system.";
  if (bounds[1] > EDGE || bounds[3] < -EDGE) return "The raster lies where this map does not reach, which ends at 85° of latitude.";
  const tilejson = await json<TileJson>(`${base}/WebMercatorQuad/tilejson.json`, source, { signal });
  const { minzoom, maxzoom, attribution } = tilejson;
  return { minzoom, maxzoom, bounds, ...(attribution ? { attribution } : {}) };
}

/** The facts; those of several assets as of one raster that has the bands of all. */
function infoOf({ properties }: Feature, assets: readonly string[]): Info {
  const parts = assets.map((asset) => properties[asset]).filter((part) => part !== undefined);
  const [first] = parts;
  if (!first) return properties;
  return {
    ...first,
    count: parts.reduce((sum, part) => sum + part.count, 0),
    band_descriptions: parts.flatMap((part, index) =>
      part.band_descriptions.map(([name, text]) => [`${assets[index]} ${name}`, text] as const),
    ),
    band_metadata: parts.flatMap((part) => part.band_metadata ?? []),
    colorinterp: parts.length > 1 ? [] : (first.colorinterp ?? []),
    class_names: ofBands(parts, ({ class_names: names }) => names),
    class_colors: ofBands(parts, ({ class_colors: colours }) => colours),
  };
}

/** What is said of the bands of several assets, by the names that they have together. */
function ofBands(parts: readonly Info[], said: (part: Info) => Info["class_names"]): Record<string, Names> {
  const all = parts.flatMap((part) => part.band_descriptions.map(([name]) => said(part)?.[name]));
  return Object.fromEntries(all.flatMap((names, band) => (names ? [[`b${band + 1}`, names] as const] : [])));
}

/** Statistics of what is chosen, from an overview. */
export const measure = (base: string, params: Params, signal: AbortSignal): Promise<Statistics> =>
  json<Statistics>(`${base}/statistics`, [...params, ["max_size", 512], ["histogram_bins", 64]], { signal });
