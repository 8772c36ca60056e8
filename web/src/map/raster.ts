// A raster on a map: its tiles, and below their least zoom its outline with a small picture. It never vanishes.
import type { ExpressionSpecification, ImageSource, Map as MapLibreMap, RasterTileSource } from "maplibre-gl";
import { RASTERS_BELOW } from "../basemap/style";
import { type Bounds, meets, pieces, sizeAtZero, unrolled } from "../geo";

export interface RasterOnMap {
  readonly id: string;
  readonly bounds: Bounds;
  readonly minzoom: number;
  readonly maxzoom: number;
  readonly tiles: string;
  /** Pixels of a tile on the screen. */
  readonly tileSize: number;
  readonly attribution: string;
  readonly opacity: number;
  /** The address of a small picture of a box in Web Mercator. */
  readonly preview: (box: Bounds) => string;
}

const names = (id: string) => ({ tiles: `raster:${id}`, outline: `outline:${id}`, dot: `dot:${id}` });
const previewName = (id: string, piece: number): string => `preview${piece}:${id}`;
/** From the lowest to the uppermost. */
const parts = (id: string): string[] => [previewName(id, 0), previewName(id, 1), ...Object.values(names(id))];

/** Puts a raster on the map, below another one or on top of all. */
export function addRaster(map: MapLibreMap, raster: RasterOnMap, below?: string): void {
  const { tiles, outline, dot } = names(raster.id);
  const before = (below && parts(below).find((name) => map.getLayer(name))) || RASTERS_BELOW;
  const turn = turningZoom(raster);
  map.addSource(tiles, {
    type: "raster",
    tiles: [raster.tiles],
    tileSize: raster.tileSize,
    minzoom: raster.minzoom,
    maxzoom: raster.maxzoom,
    attribution: raster.attribution,
  });
  const source = map.getSource<RasterTileSource>(tiles);
  // MapLibre's own bounds cannot cross the antimeridian.
  if (source) source.hasTile = ({ canonical }) => meets(raster.bounds, canonical);
  const paint = { "raster-opacity": raster.opacity, "raster-fade-duration": 120 };
  map.addLayer({ id: tiles, type: "raster", source: tiles, paint }, before);
  if (turn <= 0) return;
  addOutline(map, raster, outline, dot, before, turn);
  const preview = (): void => {
    if (map.getSource(tiles) === source && map.getZoom() > turn + 0.3) return;
    map.off("zoom", preview);
    if (map.getSource(tiles) === source) addPreviews(map, raster, tiles, turn);
  };
  map.on("zoom", preview);
  preview();
}

/** The zoom of the map from which on MapLibre asks for tiles. */
function turningZoom({ minzoom, tileSize }: RasterOnMap): number {
  return minzoom > 0 ? Math.max(0, minzoom - 0.5 - Math.log2(512 / tileSize)) : 0;
}

function addPreviews(map: MapLibreMap, raster: RasterOnMap, before: string, turn: number): void {
  pieces(raster.bounds).forEach((box, index) => {
    const name = previewName(raster.id, index);
    const [west, south, east, north] = box;
    map.addSource(name, {
      type: "image",
      url: raster.preview(box),
      coordinates: [
        [west, north],
        [east, north],
        [east, south],
        [west, south],
      ],
    });
    const opacity = map.getPaintProperty(before, "raster-opacity") as number;
    const paint = { "raster-opacity": opacity, "raster-fade-duration": 0 };
    map.addLayer({ id: name, type: "raster", source: name, maxzoom: turn, paint }, before);
  });
}

function addOutline(map: MapLibreMap, raster: RasterOnMap, outline: string, dot: string, before: string, turn: number): void {
  const [west, south, east, north] = unrolled(raster.bounds);
  if (east - west >= 359) return;
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  const [width, height] = sizeAtZero(raster.bounds);
  const visible = Math.log2(10 / Math.max(width, height, 1e-9));
  const line = { type: "Feature" as const, properties: {}, geometry: { type: "LineString" as const, coordinates: ring } };
  const middle = { type: "Point" as const, coordinates: [(west + east) / 2, (south + north) / 2] };
  map.addSource(outline, { type: "geojson", data: line });
  map.addSource(dot, { type: "geojson", data: { type: "Feature", properties: {}, geometry: middle } });
  const colour = "#e4572e";
  map.addLayer(
    {
      id: outline,
      type: "line",
      source: outline,
      maxzoom: turn,
      paint: { "line-color": colour, "line-width": 1.5 },
    },
    before,
  );
  if (visible <= 0) return;
  const radius: ExpressionSpecification = ["interpolate", ["linear"], ["zoom"], Math.max(visible - 1, 0), 5, visible + 1, 3];
  map.addLayer(
    {
      id: dot,
      type: "circle",
      source: dot,
      maxzoom: visible,
      paint: { "circle-color": colour, "circle-radius": radius, "circle-stroke-color": "#fff", "circle-stroke-width": 1.5 },
    },
    before,
  );
}

/** Takes tiles from another address. Those that are shown stay until the new ones are there. */
export function retile(map: MapLibreMap, id: string, address: string, bounds?: Bounds, preview?: (box: Bounds) => string): void {
  map.getSource<RasterTileSource>(names(id).tiles)?.setTiles([address]);
  if (!bounds || !preview) return;
  pieces(bounds).forEach((box, index) => map.getSource<ImageSource>(previewName(id, index))?.updateImage({ url: preview(box) }));
}

export const hasRaster = (map: MapLibreMap, id: string): boolean => Boolean(map.getSource(names(id).tiles));

export function removeRaster(map: MapLibreMap, id: string): void {
  for (const name of parts(id)) {
    if (map.getLayer(name)) map.removeLayer(name);
    if (map.getSource(name)) map.removeSource(name);
  }
}

export function setOpacity(map: MapLibreMap, id: string, opacity: number): void {
  for (const name of [previewName(id, 0), previewName(id, 1), names(id).tiles]) {
    if (map.getLayer(name)) map.setPaintProperty(name, "raster-opacity", opacity);
  }
}

/** True for the sources of a raster: its tiles and its small picture. */
export const isOfRaster = (source: string | undefined): boolean => /^(raster|preview\d):/.test(source ?? "");
