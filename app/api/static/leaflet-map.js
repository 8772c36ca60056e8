// One raster in one tile matrix set, with Leaflet. Sets that are not Web Mercator get a CRS made of their own definition.
import { address, credits, data, element, json, say, short } from "./common.js";

const { L, proj4 } = window;
const { set, limits } = data;
const deepest = set.minzoom + set.cells.length - 1;

/** Leaflet's CRS of a tile matrix set: projection by proj4, scales and corner from the definition. */
function coordinateSystem() {
  if (set.id === "WebMercatorQuad") return L.CRS.EPSG3857;
  const projection = proj4("EPSG:4326", set.proj4);
  const scales = set.cells.map((cell) => 1 / cell);
  const at = (zoom) => scales[Math.min(Math.max(zoom - set.minzoom, 0), scales.length - 1)];
  return L.extend({}, L.CRS.Earth, {
    code: set.id,
    wrapLng: undefined,
    projection: {
      project: ({ lat, lng }) => L.point(...projection.forward([lng, lat])),
      unproject: ({ x, y }) => L.latLng(...projection.inverse([x, y]).reverse()),
    },
    transformation: new L.Transformation(1, -set.left, -1, set.top),
    infinite: true,
    // Between two zooms the scale goes on smoothly, so that a zoom by hand stays where it is.
    scale(zoom) {
      const below = Math.floor(zoom);
      return at(below) * (at(below + 1) / at(below)) ** (zoom - below);
    },
    zoom(scale) {
      const above = scales.findIndex((known) => known >= scale * (1 - 1e-9));
      if (above <= 0) return above === 0 ? set.minzoom : deepest;
      const [low, high] = [scales[above - 1], scales[above]];
      return set.minzoom + above - 1 + Math.log(scale / low) / Math.log(high / low);
    },
  });
}

/** Tiles that asks only for those that there can be: the limits of each zoom, whatever the projection. */
const Tiles = L?.TileLayer.extend({
  _isValidTile({ x, y, z }) {
    const found = limits[z];
    if (!found) return false;
    const [firstColumn, firstRow, lastColumn, lastRow] = found;
    const around = set.id === "WebMercatorQuad" ? 2 ** z : Infinity;
    const column = Number.isFinite(around) ? ((x % around) + around) % around : x;
    return column >= firstColumn && column <= lastColumn && y >= firstRow && y <= lastRow;
  },
});

function start() {
  const crs = coordinateSystem();
  const map = L.map("map", { crs, minZoom: set.minzoom, maxZoom: deepest });
  const [left, bottom, right, top] = data.extent;
  const size = map.getSize();
  const wanted = Math.max((right - left) / size.x, (top - bottom) / size.y) * 1.1;
  const step = set.cells.findIndex((cell) => cell < wanted);
  const zoom = set.minzoom + (step < 0 ? set.cells.length - 1 : Math.max(step - 1, 0));
  map.setView(crs.projection.unproject(L.point((left + right) / 2, (bottom + top) / 2)), zoom);
  map.attributionControl.setPrefix(false);
  L.control.scale({ imperial: false }).addTo(map);
  // The names in braces are Leaflet's to fill in; the query may hold percent signs of its own.
  new Tiles(address("TILES", data.tiles.query).replace("TILES", () => data.tiles.path), {
    minNativeZoom: data.minzoom,
    maxNativeZoom: data.maxzoom,
    minZoom: set.minzoom,
    maxZoom: deepest,
    tileSize: L.point(set.tileWidth, set.tileHeight),
    noWrap: set.id !== "WebMercatorQuad",
    attribution: credits(data.attribution),
  }).addTo(map);
  if (data.note) document.getElementById("note").append(data.note);
  document.getElementById("note").hidden = !data.note;
  readout(map);
  map.on("click", (event) => ask(map, event.latlng));
  document.documentElement.dataset.ready = "yes";
}

function readout(map) {
  const line = document.getElementById("readout");
  const write = ({ lat, lng }) => {
    line.textContent = `${lat.toFixed(4)}°  ${lng.toFixed(4)}°  ${set.id}  zoom ${map.getZoom()}`;
  };
  map.on("mousemove", (event) => write(event.latlng));
  map.on("moveend zoomend", () => write(map.getCenter()));
  write(map.getCenter());
}

/** The values of one raster, under its name where it has one. */
function table({ name, values, band_names: names }) {
  const heading = element("tr", {}, element("th", { colSpan: 2 }, name?.split("?")[0].split("/").pop() ?? ""));
  const rows = values.map((value, band) =>
    element("tr", {}, element("th", { scope: "row" }, names[band]), element("td", {}, short(value))),
  );
  return element("tbody", {}, ...(name ? [heading] : []), ...rows);
}

async function ask(map, where) {
  const { lat, lng } = where.wrap();
  const content = element("div", { className: "values" }, "…");
  const popup = L.popup().setLatLng(where).setContent(content).openOn(map);
  try {
    const path = `${data.point.path}/${lng.toFixed(6)},${lat.toFixed(6)}`;
    const found = await json(path, data.point.query);
    const assets = found?.values ? [found] : (found?.assets ?? []); // a mosaic tells of each of its rasters
    if (!assets.length) throw new Error("Nothing is here.");
    content.replaceChildren(element("table", {}, ...assets.map(table)));
  } catch (error) {
    content.textContent = error.message;
  }
  popup.update();
}

if (L && proj4) start();
else say("The map's scripts are missing: run “make serve” once, or “npm ci” and “npm run build”.");
