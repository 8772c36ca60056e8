// The basemap of a map: the world that comes with the service, what the operator chose, or none.
import type { Map as MapLibreMap, StyleSpecification } from "maplibre-gl";
import { credits } from "../dom";
import { type Basemap, basemap } from "../page";
import { isDark, onTheme } from "../theme";
import { ground, landLayer, overLayers, RASTERS_BELOW, repaint } from "./style";

/** The zoom from which on finer coasts can be told from coarse ones. */
const FINE = 3;

/** Where coasts, borders and names are: over the rasters, under them, or nowhere. */
export type Lines = "over" | "under" | "off";

/** The style that a map begins with. An operator's style that cannot be had is replaced by the plain ground. */
export async function firstStyle(): Promise<{ style: StyleSpecification; failed: string | null }> {
  const plain = (failed: string | null = null) => ({ style: ground(isDark()), failed });
  if (basemap.kind !== "style" || !basemap.url) return plain();
  try {
    const response = await fetch(basemap.url, { signal: AbortSignal.timeout(6000) });
    const style = (await response.json()) as StyleSpecification;
    const names = style.layers.findIndex(({ type }) => type === "symbol");
    style.layers.splice(names < 0 ? style.layers.length : names, 0, {
      id: RASTERS_BELOW,
      type: "background",
      layout: { visibility: "none" },
    });
    return { style, failed: null };
  } catch {
    return plain(`The basemap at ${new URL(basemap.url).host} cannot be had.`);
  }
}

/** Puts the basemap on a map whose rasters are there already. `lines` says where coasts, borders and names go. */
export async function dress(map: MapLibreMap, lines: Lines, choice: Basemap = basemap): Promise<void> {
  for (const grid of ["base:fine", "base:coarse"]) {
    if (map.getLayer(grid)) map.setLayoutProperty(grid, "visibility", "none");
  }
  if (choice.kind === "tiles" && choice.url) {
    map.addSource("base:tiles", {
      type: "raster",
      tiles: [choice.url],
      tileSize: 256,
      maxzoom: 19,
      attribution: credits(choice.attribution),
    });
    map.addLayer({ id: "base:tiles", type: "raster", source: "base:tiles" }, "base:fine");
  } else if (choice.kind === "world") await dressWithWorld(map, lines);
}

async function dressWithWorld(map: MapLibreMap, lines: Lines): Promise<void> {
  const { names, world } = await import("./world");
  let detail: "110m" | "50m" = map.getZoom() > FINE ? "50m" : "110m";
  const [shapes, labels] = await Promise.all([world(detail), names()]);
  const attribution = "Natural Earth";
  map.addSource("base:land", { type: "geojson", data: shapes.land, attribution });
  map.addSource("base:coasts", { type: "geojson", data: shapes.coasts });
  map.addSource("base:borders", { type: "geojson", data: shapes.borders });
  map.addSource("base:names", { type: "geojson", data: labels });
  map.addLayer(landLayer(isDark()), "base:fine");
  overLayers(isDark()).forEach((layer) => map.addLayer(layer));
  place(map, lines);
  const refine = async (): Promise<void> => {
    if (detail === "50m" || map.getZoom() <= FINE) return;
    detail = "50m";
    const finer = await world(detail);
    for (const name of ["land", "coasts", "borders"] as const) {
      map.getSource<import("maplibre-gl").GeoJSONSource>(`base:${name}`)?.setData(finer[name]);
    }
  };
  map.on("zoomend", () => void refine().catch(() => undefined));
}

/** Puts coasts, borders and names over the rasters, under them, or away. */
export function place(map: MapLibreMap, lines: Lines): void {
  for (const { id } of overLayers(isDark())) {
    if (!map.getLayer(id)) continue;
    map.setLayoutProperty(id, "visibility", lines === "off" ? "none" : "visible");
    if (lines === "under") map.moveLayer(id, "base:fine");
    else map.moveLayer(id);
  }
}

/** Keeps the colours of the basemap those of the browser's theme. */
export function followTheme(map: MapLibreMap): void {
  onTheme((dark) => {
    for (const [layer, property, value] of repaint(dark)) {
      if (map.getLayer(layer)) map.setPaintProperty(layer, property as "line-color", value);
    }
  });
}
