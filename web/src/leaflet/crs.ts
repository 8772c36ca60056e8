// Tile matrix sets as Leaflet has them: projection by proj4, scales and corner from the set's own definition.
import type * as Leaflet from "leaflet";
import type { TileMatrixSet } from "./data";

interface Projector {
  forward(point: [number, number]): [number, number];
  inverse(point: [number, number]): [number, number];
}

export type Proj4 = (from: string, to: string) => Projector;

export function coordinateSystem(L: typeof Leaflet, proj4: Proj4, set: TileMatrixSet): Leaflet.CRS {
  if (set.id === "WebMercatorQuad") return L.CRS.EPSG3857;
  const deepest = set.minzoom + set.cells.length - 1;
  const projection = proj4("EPSG:4326", set.proj4);
  const scales = set.cells.map((cell) => 1 / cell);
  const at = (zoom: number): number => scales[Math.min(Math.max(zoom - set.minzoom, 0), scales.length - 1)] ?? 1;
  return L.extend({}, L.CRS.Earth, {
    code: set.id,
    wrapLng: undefined,
    projection: {
      project: ({ lat, lng }: Leaflet.LatLng) => L.point(...projection.forward([lng, lat])),
      unproject: ({ x, y }: Leaflet.Point) => {
        const [lng, lat] = projection.inverse([x, y]);
        return L.latLng(lat, lng);
      },
    },
    transformation: new L.Transformation(1, -set.left, -1, set.top),
    infinite: true,
    // Between two zooms the scale goes on smoothly, so that a zoom by hand stays where it is.
    scale(zoom: number) {
      const below = Math.floor(zoom);
      return at(below) * (at(below + 1) / at(below)) ** (zoom - below);
    },
    zoom(scale: number) {
      const above = scales.findIndex((known) => known >= scale * (1 - 1e-9));
      if (above <= 0) return above === 0 ? set.minzoom : deepest;
      const [low, high] = [scales[above - 1] ?? 1, scales[above] ?? 1];
      return set.minzoom + above - 1 + Math.log(scale / low) / Math.log(high / low);
    },
  }) as unknown as Leaflet.CRS;
}
