// The map of the catalog: every layer can be switched on, faded, styled and asked for its values.
import { address, credits, data, element, json, say, short } from "./common.js";
import { fitTo, followPosition, makeMap, maplibre } from "./basemap.js";

const list = document.getElementById("layers");
const sharp = window.devicePixelRatio > 1.25;

/** What is written in the address after #: MapLibre keeps `map`, we keep `layers`. */
const hash = () => new URLSearchParams(location.hash.slice(1));

function remember(states) {
  const parts = hash();
  parts.set("layers", states.filter((state) => state.on).map((state) => state.layer.id).join(","));
  const text = [...parts].map(([name, value]) => `${name}=${value}`).join("&");
  history.replaceState(null, "", `#${text}`);
}

/** Tiles of 512 pixels: a quarter of the requests, and sharp on every screen. */
function tiles(state) {
  const params = state.style ? [["style", state.style]] : [];
  return address("LAYER/{z}/{x}/{y}@2x.webp", params).replace("LAYER", encodeURIComponent(state.layer.id));
}

function source(state) {
  const { layer } = state;
  const [west, south, east, north] = layer.bounds;
  return {
    type: "raster",
    tiles: [tiles(state)],
    tileSize: sharp ? 256 : 512,
    minzoom: layer.minzoom,
    maxzoom: layer.maxzoom,
    bounds: west > east ? [-180, south, 180, north] : [west, south, east, north],
    attribution: credits(layer.attribution),
  };
}

function show(map, states, state) {
  const { layer } = state;
  if (state.on && !map.getSource(layer.id)) {
    const above = states.slice(states.indexOf(state) + 1).find((other) => map.getLayer(other.layer.id));
    map.addSource(layer.id, source(state));
    map.addLayer(
      {
        id: layer.id,
        type: "raster",
        source: layer.id,
        paint: { "raster-opacity": state.opacity, "raster-fade-duration": 150 },
      },
      above?.layer.id,
    );
  } else if (!state.on && map.getSource(layer.id)) {
    map.removeLayer(layer.id);
    map.removeSource(layer.id);
  }
  remember(states);
}

function row(map, states, state) {
  const { layer } = state;
  const box = element("input", { type: "checkbox", checked: state.on });
  const thumb = element("img", {
    className: "thumb",
    src: address(`layers/${layer.id}/preview.webp`, [["max_size", "128"]]),
    alt: "",
    loading: "lazy",
  });
  thumb.addEventListener("error", () => (thumb.hidden = true));
  const opacity = element("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    value: String(state.opacity),
    ariaLabel: `Opacity of ${layer.name ?? layer.id}`,
  });
  const more = element(
    "div",
    { className: "more", hidden: !state.on },
    element("label", { className: "line" }, "Opacity", opacity),
    styles(map, states, state),
    element(
      "div",
      { className: "links" },
      zoomTo(map, state),
      element("a", { href: address(layer.id) }, "TileJSON"),
      element("a", { href: address(`layers/${layer.id}/viewer`) }, "Viewer"),
    ),
  );
  box.addEventListener("change", () => {
    state.on = box.checked;
    more.hidden = !state.on;
    show(map, states, state);
  });
  opacity.addEventListener("input", () => {
    state.opacity = Number(opacity.value);
    if (map.getLayer(layer.id)) map.setPaintProperty(layer.id, "raster-opacity", state.opacity);
  });
  return element(
    "li",
    {},
    element(
      "label",
      { className: "head" },
      box,
      thumb,
      element(
        "span",
        {},
        element("span", { className: "name" }, layer.name ?? layer.id),
        element("span", { className: "about" }, `zoom ${layer.minzoom} – ${layer.maxzoom}`),
      ),
    ),
    more,
  );
}

function styles(map, states, state) {
  const names = styleNames(state.layer);
  if (!names.length) return null;
  const select = element(
    "select",
    { ariaLabel: "Style" },
    element("option", { value: "" }, "default"),
    ...names.map(([name, title]) => element("option", { value: name }, title ?? name)),
  );
  select.addEventListener("change", () => {
    state.style = select.value;
    const shown = map.getSource(state.layer.id);
    if (shown) shown.setTiles([tiles(state)]);
  });
  return element("label", { className: "line" }, "Style", select);
}

/** [name, title] of a layer's styles, from a list of documents or an object by name. */
function styleNames(layer) {
  const styles = layer.styles ?? [];
  if (Array.isArray(styles)) return styles.map((style) => (typeof style === "string" ? [style] : [style.name, style.title]));
  return Object.entries(styles).map(([name, style]) => [name, style?.title]);
}

function zoomTo(map, state) {
  const button = element("button", { type: "button", className: "quiet small" }, "Zoom to it");
  button.addEventListener("click", () => fitTo(map, state.layer.bounds, { duration: 800 }));
  return button;
}

/** A popup with the values of every layer that is on. */
async function ask(map, states, { lngLat }) {
  const { lng, lat } = lngLat.wrap();
  const popup = new maplibre.Popup().setLngLat(lngLat).setDOMContent(element("p", { className: "values" }, "…")).addTo(map);
  const asked = states.filter((state) => state.on);
  const found = await Promise.allSettled(
    asked.map((state) => json(`layers/${state.layer.id}/point/${lng.toFixed(6)},${lat.toFixed(6)}`)),
  );
  const parts = found.flatMap((answer, index) => {
    const title = element("h3", {}, asked[index].layer.name ?? asked[index].layer.id);
    if (answer.status === "rejected") {
      const outside = answer.reason.status === 404;
      return outside ? [] : [title, element("p", {}, answer.reason.message)];
    }
    const { values, band_names: names } = answer.value;
    const rows = values.map((value, band) =>
      element("tr", {}, element("th", { scope: "row" }, names[band]), element("td", {}, short(value))),
    );
    return [title, element("table", {}, element("tbody", {}, ...rows))];
  });
  popup.setDOMContent(
    element(
      "div",
      { className: "values" },
      element("span", { className: "soft" }, `${lat.toFixed(5)}°, ${lng.toFixed(5)}°`),
      ...(parts.length ? parts : [element("p", {}, "No layer has anything here.")]),
    ),
  );
}

/** Says how long the server took for the latest tiles, from the request to the first byte. */
function clock() {
  const times = [];
  const line = element("span", { title: "Tiles of this map, and the server's time for half of the latest" });
  document.getElementById("readout").append(line);
  let count = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!/\/\d+\/\d+\/\d+@2x\./.test(entry.name)) continue;
      count += 1;
      if (entry.requestStart) times.push(entry.responseStart - entry.requestStart);
    }
    if (!times.length) return;
    times.splice(0, times.length - 40);
    const middle = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
    line.textContent = `${count} tiles, ${middle.toFixed(0)} ms`;
  }).observe({ type: "resource", buffered: true });
}

function foldable() {
  const button = document.getElementById("fold");
  const drawer = document.getElementById("drawer");
  const fold = (closed) => {
    drawer.classList.toggle("closed", closed);
    button.textContent = closed ? "Layers" : "Hide";
    button.setAttribute("aria-expanded", String(!closed));
  };
  button.addEventListener("click", () => fold(!drawer.classList.contains("closed")));
  fold(window.innerWidth < 600);
}

/** The zoom at which the globe fills most of the window. */
function wholeEarth() {
  const room = Math.min(window.innerHeight, window.innerWidth);
  return Math.log2((room * 0.86) / 144);
}

/** The first page of the list, behind those that are wanted and on no first page. */
async function listed(wanted) {
  const { layers } = await json("layers");
  const there = new Set(layers.map((layer) => layer.id));
  const missing = (wanted ?? "").split(",").filter((id) => id && !there.has(id)).slice(0, 20);
  const found = await Promise.allSettled(missing.map((id) => json(encodeURIComponent(id))));
  return [...found.filter(({ status }) => status === "fulfilled").map(({ value }) => value), ...layers];
}

async function start() {
  foldable();
  let layers;
  try {
    layers = await listed(data.layer ?? hash().get("layers"));
  } catch (error) {
    say(error.message);
    return;
  }
  if (!layers.length) {
    list.replaceChildren(element("li", { className: "more" }, "The catalog is empty."));
  }
  const wanted = data.layer ?? hash().get("layers");
  const first = layers[0]?.id;
  const on = new Set(wanted != null ? wanted.split(",") : [first]);
  const states = layers.map((layer) => ({ layer, on: on.has(layer.id), opacity: 1, style: "" }));
  const placed = hash().has("map");
  const map = makeMap({ hash: "map", center: [12, 24], zoom: wholeEarth() });
  if (!map) {
    say("This browser has no WebGL, which the map needs.");
    return;
  }
  map.addControl(new maplibre.GlobeControl(), "top-right");
  map.addControl(new maplibre.FullscreenControl(), "top-right");
  followPosition(map);
  clock();
  list.append(...states.map((state) => row(map, states, state)));
  map.once("style.load", () => {
    map.setProjection({ type: "globe" });
    states.filter((state) => state.on).forEach((state) => show(map, states, state));
    if (!placed && wanted != null) {
      const state = states.find((candidate) => candidate.on);
      if (state) fitTo(map, state.layer.bounds);
    }
    document.documentElement.dataset.ready = "yes";
  });
  map.on("click", (event) => ask(map, states, event));
}

start();
