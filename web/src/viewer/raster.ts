// What the server tells of a raster: its facts, where it is, and how its values are spread.
import type { Bounds } from "../geo";
import { json, type Params } from "../page";

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

export interface Opened {
  readonly info: Info;
  readonly tilejson: TileJson;
  /** Where it is, also across the antimeridian, which TileJSON's own bounds cannot say. */
  readonly bounds: Bounds;
}

/** A raster that has facts but no place on this map, with the server's words for why. */
export class NotOnMap extends Error {
  constructor(
    message: string,
    readonly info: Info,
  ) {
    super(message);
  }
}

interface Feature {
  readonly bbox?: Bounds;
  readonly properties: Info & Record<string, Info>;
}

/** Asks for all of it at once. */
export async function open(base: string, source: Params, assets: readonly string[], signal: AbortSignal): Promise<Opened> {
  const [feature, tilejson] = await Promise.allSettled([
    json<Feature>(`${base}/info.geojson`, source, { signal }),
    json<TileJson>(`${base}/WebMercatorQuad/tilejson.json`, source, { signal }),
  ]);
  if (tilejson.status === "rejected") {
    const info = feature.status === "fulfilled" ? infoOf(feature.value, assets) : await factsAlone(base, source, signal);
    if (info && tilejson.reason instanceof Error && tilejson.reason.name !== "AbortError") {
      throw new NotOnMap(tilejson.reason.message, info);
    }
    throw tilejson.reason;
  }
  if (feature.status === "rejected") throw feature.reason;
  return {
    info: infoOf(feature.value, assets),
    tilejson: tilejson.value,
    bounds: feature.value.bbox ?? tilejson.value.bounds,
  };
}

const factsAlone = (base: string, source: Params, signal: AbortSignal): Promise<Info | null> =>
  json<Info>(`${base}/info`, source, { signal }).catch(() => null);

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
  };
}

/** Statistics of what is chosen, from an overview. */
export const measure = (base: string, params: Params, signal: AbortSignal): Promise<Statistics> =>
  json<Statistics>(`${base}/statistics`, [...params, ["max_size", 512], ["histogram_bins", 64]], { signal });
