// One raster in one tile matrix set, with Leaflet. Sets that are not Web Mercator get a CRS made of their own definition.
import { address, credits, data, element, json, say, short } from "./common.js";

const { L, proj4 } = window;

/** Leaflet's CRS of a tile matrix set: projection by proj4, scales and corner from the definition. */
function coordinateSystem(set) {
  if (set.id === "WebMercatorQuad") return L.CRS.EPSG3857;
  const project = proj4("EPSG:4326", set.proj4);
  const { left, top } = set;
  const [west, south, east, north] = set.bounds;
  const projection = {
    project: ({ lat, lng }) => L.point(...project.forward([lng, lat])),
    unproject: ({ x, y }) => L.latLng(...project.inverse([x, y]).reverse()),
    bounds: L.bounds([west, south], [east, north]),
  };
  const scales = set.cells.map((cell) => 1 / cell);
  const at = (zoom) => scales[Math.min(Math.max(zoom - set.minzoom, 0), scales.length - 1)];
  return L.extend({}, L.CRS, {
    code: set.id,
    projection,
    transformation: new L.Transformation(1, -left, -1, top),
    infinite: true,
    // Between two zooms the scale goes on smoothly, so that a zoom by hand stays where it is.
    scale(zoom) {
      const below = Math.floor(zoom);
      return at(below) * (at(below + 1) / at(below)) ** (zoom - below);
    },
    zoom(scale) {
      const first = scales.findIndex((known) => known >= scale * (1 - 1e-9));
      if (first <= 0) return set.minzoom + (first === 0 ? 0 : scales.length - 1);
      const [low, high] = [scales[first - 1], scales[first]];
      return set.minzoom + first - 1 + Math.log(scale / low) / Math.log(high / low);
    },
  });
}

function start() {
  const { set, tiles, minzoom, maxzoom } = data;
  const [west, south, east, north] = data.bounds;
  const crs = coordinateSystem(set);
  const bounds = L.latLngBounds([south, west], [north, west > east ? east + 360 : east]);
  const map = L.map("map", {
    crs,
    minZoom: set.minzoom,
    maxZoom: set.minzoom + set.cells.length - 1,
    worldCopyJump: false,
    center: bounds.getCenter(),
    zoom: Math.min(Math.max(minzoom, set.minzoom), maxzoom),
  });
  map.attributionControl.setPrefix(false);
  L.control.scale({ imperial: false }).addTo(map);
  L.tileLayer(address(tiles.path, tiles.query).replaceAll("%7B", "{").replaceAll("%7D", "}"), {
    minNativeZoom: minzoom,
    maxNativeZoom: maxzoom,
    minZoom: set.minzoom,
    maxZoom: set.minzoom + set.cells.length - 1,
    tileSize: L.point(set.tileWidth, set.tileHeight),
    noWrap: set.id !== "WebMercatorQuad",
    attribution: credits(data.attribution),
  }).addTo(map);
  if (set.id === "WebMercatorQuad") map.fitBounds(bounds);
  if (data.note) L.control.attribution({ position: "topright", prefix: false }).addAttribution(data.note).addTo(map);
  readout(map);
  map.on("click", (event) => ask(map, event.latlng));
  document.documentElement.dataset.ready = "yes";
}

function readout(map) {
  const line = document.getElementById("readout");
  const write = ({ lat, lng }) => {
    line.textContent = `${lat.toFixed(4)}°  ${lng.toFixed(4)}°  ${data.set.id}  zoom ${map.getZoom()}`;
  };
  map.on("mousemove", (event) => write(event.latlng));
  map.on("moveend zoomend", () => write(map.getCenter()));
  write(map.getCenter());
}

async function ask(map, where) {
  const { lat, lng } = where.wrap();
  const content = element("div", { className: "values" }, "…");
  L.popup().setLatLng(where).setContent(content).openOn(map);
  try {
    const { values, band_names: names } = await json(`${data.point}/${lng.toFixed(6)},${lat.toFixed(6)}`, data.pointQuery);
    content.replaceChildren(...values.map((value, band) => element("div", {}, `${names[band]} `, element("code", {}, short(value)))));
  } catch (error) {
    content.textContent = error.message;
  }
}

if (L && proj4) start();
else say("The map's scripts are missing: run “make serve” once, or “npm ci” and “npm run build”.");
