// One raster in one tile matrix set, with Leaflet, which needs no WebGL.
import type * as Leaflet from "leaflet";
import { by, credits, element, note, say } from "../dom";
import { ofPoint, type PointAnswer, valueTable } from "../map/values";
import { basemap, dataOf, json, messageOf, template, wordsIn } from "../page";
import { coordinateSystem, type Proj4 } from "./crs";
import type { PageData } from "./data";

const { L, proj4 } = window as unknown as { L?: typeof Leaflet; proj4?: Proj4 };
const data = dataOf<PageData>();
const { set, limits } = data;
const deepest = set.minzoom + set.cells.length - 1;
const isMercator = set.id === "WebMercatorQuad";

/** True for tiles that there can be: the limits of each zoom, whatever the projection. */
function isThere({ x, y, z }: { x: number; y: number; z: number }): boolean {
  const found = limits[z];
  if (!found) return false;
  const [firstColumn, firstRow, lastColumn, lastRow] = found;
  const around = isMercator ? 2 ** z : Infinity;
  const column = Number.isFinite(around) ? ((x % around) + around) % around : x;
  return column >= firstColumn && column <= lastColumn && y >= firstRow && y <= lastRow;
}

function start(lib: typeof Leaflet, projections: Proj4): void {
  const crs = coordinateSystem(lib, projections, set);
  const map = lib.map("map", { crs, minZoom: set.minzoom, maxZoom: deepest });
  const [left, bottom, right, top] = data.extent;
  const size = map.getSize();
  const wanted = Math.max((right - left) / size.x, (top - bottom) / size.y) * 1.1;
  const step = set.cells.findIndex((cell) => cell < wanted);
  const zoom = set.minzoom + (step < 0 ? set.cells.length - 1 : Math.max(step - 1, 0));
  const middle = lib.point((left + right) / 2, (bottom + top) / 2);
  map.setView((crs as unknown as { projection: Leaflet.Projection }).projection.unproject(middle), zoom);
  map.attributionControl.setPrefix(false);
  lib.control.scale({ imperial: false }).addTo(map);
  const tiles = new (lib.TileLayer.extend({ _isValidTile: isThere }) as unknown as typeof Leaflet.TileLayer)(
    template(data.tiles.path, data.tiles.query),
    {
      minNativeZoom: data.minzoom,
      maxNativeZoom: data.maxzoom,
      minZoom: set.minzoom,
      maxZoom: deepest,
      tileSize: lib.point(set.tileWidth, set.tileHeight) as unknown as number,
      noWrap: !isMercator,
      attribution: credits(data.attribution),
    },
  ).addTo(map);
  tiles.on("tileerror", ({ tile }) => void tell((tile as HTMLImageElement).src));
  tiles.once("load", () => void dress(lib, map).catch((error: unknown) => note(messageOf(error))));
  const plain = location.hash === "#no-webgl" ? "This browser has no WebGL, so this is the plain map." : null;
  note(data.note ?? plain);
  readout(map);
  map.on("click", (event) => void ask(lib, map, event.latlng));
  document.documentElement.dataset["ready"] = "yes";
}

/** The basemap: only where its projection is one in which the whole world can be drawn. */
async function dress(lib: typeof Leaflet, map: Leaflet.Map): Promise<void> {
  if (basemap.kind === "tiles" && basemap.url && isMercator) {
    lib.tileLayer(basemap.url, { attribution: credits(basemap.attribution), zIndex: 0 }).addTo(map);
  }
  if (basemap.kind !== "world" || !(isMercator || set.id === "WorldCRS84Quad" || set.id === "WGS1984Quad")) return;
  const { world } = await import("../basemap/world");
  const { coasts, borders } = await world("110m");
  const look = { interactive: false, attribution: "Natural Earth", className: "coast" };
  lib.geoJSON([coasts, borders], { ...look, style: () => ({ weight: 1, className: "coast" }) }).addTo(map);
}

const told = new Set<string>();

/** Says why a tile could not be made: Leaflet's pictures do not, so the server is asked once for each kind of failure. */
async function tell(address: string): Promise<void> {
  if (told.size > 2 || told.has(address)) return;
  told.add(address);
  const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok || answer?.status === 404) return;
  note(answer ? (wordsIn(await answer.text()) ?? `A tile could not be made (${answer.status}).`) : "The server does not answer.");
}

function readout(map: Leaflet.Map): void {
  const line = by("readout");
  const write = ({ lat, lng }: Leaflet.LatLng): void => {
    line.textContent = `${lat.toFixed(4)}°  ${lng.toFixed(4)}°  ${set.id}  zoom ${map.getZoom()}`;
  };
  map.on("mousemove", (event) => write(event.latlng));
  map.on("moveend zoomend", () => write(map.getCenter()));
  write(map.getCenter());
}

async function ask(lib: typeof Leaflet, map: Leaflet.Map, where: Leaflet.LatLng): Promise<void> {
  const { lat, lng } = where.wrap();
  const content = element("div", { className: "values" }, "…");
  const popup = lib.popup().setLatLng(where).setContent(content).openOn(map);
  try {
    const path = `${data.point.path}/${lng.toFixed(6)},${lat.toFixed(6)}`;
    const found = ofPoint(await json<PointAnswer>(path, data.point.query));
    if (!found.length) throw new Error("Nothing is here.");
    content.replaceChildren(...found.map((one) => valueTable(one)));
  } catch (error) {
    content.textContent = messageOf(error);
  }
  popup.update();
}

if (L && proj4) start(L, proj4);
else say("The map's scripts are missing: run “make serve” once, or “npm ci” and “npm run build”.");
