// Addresses of what is shown, and code that shows it elsewhere.
import { by, copy } from "../dom";
import type { Bounds } from "../geo";
import { address, type Params, template } from "../page";

export interface Shown {
  readonly base: string;
  /** The raster and how it is read. */
  readonly values: Params;
  readonly rendering: Params;
  readonly format: string;
  /** The least and the deepest zoom of its tiles; null where it has no place on the map, and so no tiles. */
  readonly zooms: readonly [number, number] | null;
  /** Where it is, in degrees; null where it has no place on the map. */
  readonly bounds: Bounds | null;
}

interface Addresses {
  readonly tilejson: string;
  readonly xyz: string;
  readonly wmts: string;
  readonly zooms: readonly [number, number];
  readonly bounds: Bounds;
}

const SNIPPETS: Readonly<Record<string, (at: Addresses) => string>> = {
  MapLibre: ({ tilejson }) => `map.addSource("raster", { type: "raster", url: "${tilejson}", tileSize: 256 });
map.addLayer({ id: "raster", type: "raster", source: "raster" });`,
  Leaflet: ({ xyz, zooms: [least, most] }) =>
    `L.tileLayer("${xyz}", { minZoom: ${least}, maxNativeZoom: ${most}, maxZoom: 24 }).addTo(map);`,
  OpenLayers: ({ xyz }) => `new ol.layer.Tile({ source: new ol.source.XYZ({ url: "${xyz}" }) });`,
  QGIS: ({ xyz, zooms: [least, most] }) => `# Browser > XYZ Tiles > New Connection, or in the Python console:
from urllib.parse import quote
url = quote("${xyz}", safe=":/{}")
iface.addRasterLayer("type=xyz&zmin=${least}&zmax=${most}&url=" + url, "raster", "wms")`,
  "ArcGIS Pro": ({ wmts }) => `Insert > Connections > Server > New WMTS Server:
${wmts}`,
  "ArcGIS for JavaScript": ({ xyz, bounds: [west, south, east, north] }) =>
    `import Map from "@arcgis/core/Map.js";
import MapView from "@arcgis/core/views/MapView.js";
import WebTileLayer from "@arcgis/core/layers/WebTileLayer.js";
const map = new Map({ layers: [new WebTileLayer({ urlTemplate: "${xyz.replace("{z}/{x}/{y}", "{level}/{col}/{row}")}" })] });
new MapView({ container: "map", map, extent: { xmin: ${west}, ymin: ${south}, xmax: ${east}, ymax: ${north} } });`,
  leafmap: ({ xyz, bounds }) => `import leafmap
m = leafmap.Map()
m.add_tile_layer("${xyz}", name="raster", attribution="")
m.zoom_to_bounds([${bounds.join(", ")}])
m`,
  curl: ({ tilejson }) => `curl "${tilejson}"`,
};

/** The kinds of code, for the list. */
export const snippetKinds = Object.keys(SNIPPETS);

/** Writes addresses and code down. */
export function share(shown: Shown, kind: string): void {
  const { base, rendering, format, zooms } = shown;
  const tileFormat: Params = format ? [["tile_format", format]] : [];
  const at: Addresses = {
    tilejson: address(`${base}/WebMercatorQuad/tilejson.json`, [...rendering, ...tileFormat]),
    xyz: template(`${base}/tiles/WebMercatorQuad/{z}/{x}/{y}.${format || "png"}`, [...rendering, ["tilesize", 256]]),
    wmts: address(`${base}/WMTSCapabilities.xml`, [...rendering, ...tileFormat]),
    zooms: zooms ?? [0, 24],
    bounds: (shown.bounds ?? [-180, -85, 180, 85]).map((edge) => Number(edge.toFixed(6))) as unknown as Bounds,
  };
  for (const part of document.querySelectorAll<HTMLElement>(".of-tiles")) part.hidden = !zooms;
  by<HTMLInputElement>("link-tilejson").value = at.tilejson;
  by<HTMLInputElement>("link-xyz").value = at.xyz;
  by<HTMLInputElement>("link-wmts").value = at.wmts;
  by<HTMLAnchorElement>("link-map").href = address(`${base}/WebMercatorQuad/map.html`, rendering);
  by<HTMLAnchorElement>("link-preview").href = address(`${base}/preview`, rendering);
  by<HTMLAnchorElement>("link-geotiff").href = address(`${base}/preview.tif`, shown.values);
  by<HTMLTextAreaElement>("snippet").value = SNIPPETS[kind]?.(at) ?? "";
}

/** Addresses of a picture and a GeoTIFF of what the map shows now. */
export function shareView(shown: Shown, [west, south, east, north]: Bounds): void {
  const box = [west, south, east, north].map((value) => value.toFixed(6)).join(",");
  const path = `${shown.base}/bbox/${box}`;
  by<HTMLAnchorElement>("link-view").href = address(`${path}.png`, [
    ...shown.rendering,
    ["dst_crs", "epsg:3857"],
    ["max_size", 2048],
  ]);
  by<HTMLAnchorElement>("link-view-geotiff").href = address(`${path}.tif`, [
    ...shown.values,
    ["max_size", 2048],
  ]);
}

/** Buttons that copy what is beside them or the page's own address, and say so only where it was possible. */
export function copyButtons(): void {
  const link = by("copy-link");
  const words = link.textContent;
  link.addEventListener("click", async () => {
    link.textContent = (await copy(location.href)) ? "Copied" : "Copy it from the address bar";
    setTimeout(() => (link.textContent = words), 1600);
  });
  for (const field of document.querySelectorAll(".copy")) {
    const input = field.querySelector<HTMLInputElement | HTMLTextAreaElement>("input, textarea");
    const button = field.querySelector("button");
    if (!input || !button) continue;
    input.addEventListener("focus", () => input.select());
    button.addEventListener("click", async () => {
      const done = await copy(input.value);
      if (!done) input.select();
      button.textContent = done ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (button.textContent = "Copy"), 1600);
    });
  }
}
