// What the server wrote into the page of one raster in one tile matrix set.
import type { Params } from "../page";

export interface TileMatrixSet {
  readonly id: string;
  readonly proj4: string;
  readonly left: number;
  readonly top: number;
  readonly minzoom: number;
  /** Units of the CRS a pixel, of each zoom. */
  readonly cells: readonly number[];
  readonly tileWidth: number;
  readonly tileHeight: number;
}

export interface PageData {
  readonly set: TileMatrixSet;
  readonly tiles: { readonly path: string; readonly query: Params };
  readonly point: { readonly path: string; readonly query: Params };
  /** Left, bottom, right, top in the CRS of the set. */
  readonly extent: readonly [number, number, number, number];
  /** First column and row, last column and row, of each zoom. */
  readonly limits: Readonly<Record<string, readonly [number, number, number, number]>>;
  readonly minzoom: number;
  readonly maxzoom: number;
  readonly attribution: string | null;
  readonly note: string | null;
}
