// Layers of the catalog, as the server lists them, and what of them is on the map.
import type { Bounds } from "../geo";
import type { Wish } from "./address";
import { type Params, address, isEditable, isSigned, json, template } from "../page";

interface Style {
  readonly name: string;
  readonly title?: string;
}

export interface Layer {
  readonly id: string;
  readonly name?: string;
  /** What it is made of: `zarr` is what may have a time. */
  readonly kind?: string;
  readonly bounds: Bounds;
  readonly center?: readonly number[];
  readonly minzoom: number;
  readonly maxzoom: number;
  readonly attribution?: string;
  readonly styles?: readonly (Style | string)[];
  /** Of its data. */
  readonly revision?: string;
}

export interface LayerState {
  readonly layer: Layer;
  /** Where it is; TileJSON cannot say so of what crosses the antimeridian. */
  bounds: Bounds;
  on: boolean;
  opacity: number;
  style: string;
  /** What is chosen along dimensions that are not on the map, where that is not what the layer shows by itself. */
  sel: readonly string[];
  /** The revision that is shown; empty for the current one. */
  revision: string;
}

/** A layer as it is wished for; off where it is not. */
export const stateOf = (layer: Layer, wish?: Wish): LayerState => ({
  layer,
  bounds: layer.bounds,
  on: wish !== undefined,
  opacity: wish?.opacity ?? 1,
  style: wish?.style ?? "",
  sel: wish?.sel ?? [],
  revision: wish?.revision ?? "",
});

/** An id as a path has it, folders and all. */
const pathOf = (id: string): string => id.split("/").map(encodeURIComponent).join("/");

export const nameOf = (layer: Layer): string => layer.name ?? layer.id;

/** [name, title] of a layer's styles. */
export const stylesOf = ({ styles = [] }: Layer): [string, string][] =>
  styles.map((style) => (typeof style === "string" ? [style, style] : [style.name, style.title ?? style.name]));

/** How a layer is shown: its style, a revision, and a moment of it. */
export const lookParams = ({ style, sel, revision }: LayerState): Params => [
  ["style", style],
  ["revision", revision],
  ...sel.map((one) => ["sel", one] as const),
];

/** Whether a revision is one that publishing made, which may have left the one before it where it is. */
export const isPublished = ({ revision = "" }: Layer): boolean => /^\d{8}t\d{6}-/.test(revision);

/** The revisions of a layer that can be shown, the newest first. */
export async function revisionsOf({ id }: Layer): Promise<readonly string[]> {
  const { revisions } = await json<{ revisions?: readonly string[] }>(pathOf(id), [], fresh);
  return revisions ?? [];
}

/** When a revision was published, as its name says it: 2026-01-31 08:15. */
export const published = (revision: string): string =>
  revision.replace(/^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d).*$/, "$1-$2-$3 $4:$5");

/** Tiles of 512 pixels: a quarter of the requests, and sharp on every screen. */
export const tilesOf = (state: LayerState): string =>
  template(`${pathOf(state.layer.id)}/{z}/{x}/{y}@2x.webp`, lookParams(state));

export function previewOf(state: LayerState, [west, south, east, north]: Bounds): string {
  const box = [west, south, east, north].map((value) => value.toFixed(6)).join(",");
  const params: Params = [...lookParams(state), ["dst_crs", "epsg:3857"], ["max_size", 512]];
  return address(`layers/${state.layer.id}/bbox/${box}.webp`, params);
}

/** Where layers can be changed here, what the browser remembers of the list is not good enough. */
const fresh: RequestInit = isEditable ? { cache: "no-cache" } : {};

/** Layers of one page of the list. */
export const PAGE = 100;

export interface Page {
  readonly layers: readonly Layer[];
  /** Whether there are further ones. */
  readonly more: boolean;
}

/** A page of the layers that have all of the words; none for who may ask for one layer alone. */
export async function pageOf(words: string, offset: number, signal?: AbortSignal): Promise<Page> {
  if (isSigned) return { layers: [], more: false };
  const asked: Params = [["limit", PAGE], ["offset", offset || null], ["q", words]];
  type Answer = { layers: Layer[]; links?: { rel: string }[] };
  const { layers, links = [] } = await json<Answer>("layers", asked, signal ? { ...fresh, signal } : fresh);
  return { layers, more: links.some(({ rel }) => rel === "next") };
}

/** The layers that are wanted and are not on a page. */
export async function beside(page: Page, wanted: readonly string[]): Promise<Layer[]> {
  const there = new Set(page.layers.map((layer) => layer.id));
  const missing = wanted.filter((id) => id && !there.has(id)).slice(0, 20);
  const found = await Promise.allSettled(missing.map((id) => json<Layer>(pathOf(id), [], fresh)));
  return found.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

/** Where a layer is. One whose middle is not that of its bounds crosses the antimeridian: its facts say where. */
export async function boundsOf({ id, bounds, center }: Layer): Promise<Bounds> {
  const [west, , east] = bounds;
  if (east - west < 360 || !center || Math.abs(center[0] ?? 0) < 1e-6) return bounds;
  const { bbox } = await json<{ bbox?: Bounds }>(`layers/${id}/info.geojson`);
  return bbox ?? bounds;
}
