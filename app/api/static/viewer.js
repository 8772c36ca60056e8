// The viewer: open a raster, decide how its bands become a picture, take the address along.
//
// What is shown is kept in one object, `choice`. Every control writes into it and calls `apply`; from it come the tile
// address, the links and the page's own address, which can be kept and sent to somebody.
import { address, credits, data, element, json, say, short } from "./common.js";
import { fitTo, followPosition, makeMap, maplibre } from "./basemap.js";

const by = (id) => document.getElementById(id);
const given = new URLSearchParams(location.search);

const choice = {
  url: given.get("url") ?? "",
  mode: "one",
  bands: [1],
  expression: "",
  ranges: null,
  colormap: "",
  resampling: "",
  format: "",
  nodata: "",
  algorithm: "",
  buffer: "",
  colorFormula: "",
  unscale: false,
};

let map = null;
let info = null;
let tilejson = null;
let statistics = {};
let running = null;

/** What names the raster in a request: `url`, or nothing where the path does. */
const source = () => (data.needs_url ? [["url", choice.url]] : []);

/** How the raster is read, in the words of the API. */
function reading() {
  const bands = choice.mode === "expression" ? [] : choice.bands.map((band) => ["bidx", band]);
  return [
    ...bands,
    ["expression", choice.mode === "expression" ? choice.expression : ""],
    ["nodata", choice.nodata],
    ["unscale", choice.unscale ? "true" : ""],
  ];
}

/** Everything that decides how tiles look. */
function rendering() {
  const one = choice.mode !== "rgb";
  return [
    ...source(),
    ...reading(),
    ["algorithm", choice.algorithm],
    ["buffer", choice.buffer],
    ...(choice.ranges ?? []).map(([low, high]) => ["rescale", `${low},${high}`]),
    ["color_formula", choice.colorFormula],
    ["colormap_name", one ? choice.colormap : ""],
    ["resampling", choice.resampling],
    ["reproject", choice.resampling],
  ];
}

/** Takes from the page's address what an earlier visit put there. */
function recall() {
  const bands = given.getAll("bidx").map(Number).filter((band) => band >= 1 && band <= info.count);
  if (bands.length) {
    choice.bands = bands.length >= 3 ? bands.slice(0, 3) : bands.slice(0, 1);
    choice.mode = bands.length >= 3 ? "rgb" : "one";
  }
  if (given.get("expression")) {
    choice.mode = "expression";
    choice.expression = given.get("expression");
  }
  const ranges = given.getAll("rescale").map((text) => text.split(",").map(Number));
  if (ranges.length) choice.ranges = ranges;
  choice.colormap = given.get("colormap_name") ?? "";
  choice.resampling = given.get("resampling") ?? "";
  choice.format = given.get("format") ?? "";
  choice.nodata = given.get("nodata") ?? "";
  choice.algorithm = given.get("algorithm") ?? "";
  choice.colorFormula = given.get("color_formula") ?? "";
  choice.unscale = given.get("unscale") === "true";
}

/** Algorithms that look at neighbours need some pixels beyond each tile's edge: they say how many. */
async function neighbours() {
  choice.buffer = "";
  if (!choice.algorithm) return;
  const { parameters } = await json(`algorithms/${encodeURIComponent(choice.algorithm)}`);
  choice.buffer = String(parameters.buffer?.default ?? "");
}

/** Opens the raster that `choice.url` names. */
async function open() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  fail(null);
  busy("Opening…");
  try {
    [info, tilejson] = await Promise.all([
      json(`${data.base}/info`, source(), signal),
      json(`${data.base}/WebMercatorQuad/tilejson.json`, source(), signal),
    ]);
    firstLook();
    if (data.needs_url ? given.get("url") === choice.url : true) recall();
    fillBands();
    fillControls();
    facts();
    for (const id of ["controls", "results"]) by(id).hidden = false;
    by("hint").hidden = true;
    await Promise.all([measure(signal), neighbours()]);
    if (choice.ranges == null && wantsStretch()) stretch("percentiles");
    fillRanges();
    fitTo(map, tilejson.bounds);
    apply();
  } catch (error) {
    if (error.name === "AbortError") return;
    for (const id of ["controls", "results"]) by(id).hidden = true;
    fail(error.message);
  } finally {
    if (!signal.aborted) busy(null);
  }
}

/** What most people want to see first: colours where there are three bands of them, one band otherwise. */
function firstLook() {
  const meaning = info.colorinterp ?? [];
  const rgb = ["red", "green", "blue"].map((name) => meaning.indexOf(name) + 1);
  const visible = meaning.filter((name) => name !== "alpha").length || info.count;
  Object.assign(choice, { ranges: null, colormap: "", expression: "", nodata: "", algorithm: "", buffer: "", unscale: false });
  if (rgb.every((band) => band > 0)) Object.assign(choice, { mode: "rgb", bands: rgb });
  else if (visible >= 3) Object.assign(choice, { mode: "rgb", bands: [1, 2, 3] });
  else Object.assign(choice, { mode: "one", bands: [1] });
}

/** Bytes are shown as they are; all other values have to be stretched to be seen. */
const wantsStretch = () => (info.dtype !== "uint8" || choice.mode === "expression") && !hasPalette() && !choice.algorithm;
const hasPalette = () => Boolean(info.colormap) && choice.mode === "one";

/** Statistics of what is chosen, from an overview. */
async function measure(signal = undefined) {
  if (choice.mode === "expression" && !choice.expression) return;
  statistics = await json(`${data.base}/statistics`, [...source(), ...reading(), ["max_size", "512"], ["histogram_bins", "64"]], signal);
  drawHistogram();
}

function stretch(how) {
  const bands = Object.values(statistics);
  if (how === "none" || !bands.length) choice.ranges = null;
  else if (how === "all") choice.ranges = bands.map((band) => [tidy(band.min), tidy(band.max)]);
  else choice.ranges = bands.map((band) => [tidy(band.percentile_2), tidy(band.percentile_98)]);
  // A range without width shows nothing.
  choice.ranges = choice.ranges?.map(([low, high]) => (low < high ? [low, high] : [low, low + 1])) ?? null;
}

const tidy = (value) => Number(Number(value ?? 0).toPrecision(5));

function drawHistogram() {
  const canvas = by("histogram");
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const bands = Object.values(statistics);
  const colours = bands.length === 3 ? ["#c8432e99", "#2f8f4e99", "#2b62c499"] : ["#0a6c74"];
  const low = Math.min(...bands.map((band) => band.histogram[1][0]));
  const high = Math.max(...bands.map((band) => band.histogram[1].at(-1)));
  const most = Math.max(1, ...bands.map((band) => Math.max(...band.histogram[0])));
  const x = (value) => ((value - low) / (high - low || 1)) * (width - 8) + 4;
  bands.forEach(({ histogram: [counts, edges] }, index) => {
    context.fillStyle = colours[index % colours.length];
    counts.forEach((count, bin) => {
      // Square roots, so that few pixels can be seen beside very many.
      const tall = Math.sqrt(count / most) * (height - 8);
      const left = x(edges[bin]);
      context.fillRect(left, height - 4 - tall, Math.max(1, x(edges[bin + 1]) - left - 0.5), tall);
    });
  });
  context.strokeStyle = "#16262d";
  for (const [from, to] of choice.ranges ?? []) {
    for (const value of [from, to]) {
      context.beginPath();
      context.moveTo(x(value), 2);
      context.lineTo(x(value), height - 2);
      context.stroke();
    }
  }
  canvas.setAttribute("aria-label", `Histogram from ${short(low)} to ${short(high)}`);
}

// The controls

function fillBands() {
  const names = info.band_descriptions.map(([name, description], index) => {
    const text = description && description !== name ? `${index + 1} ${description}` : `Band ${index + 1}`;
    return [index + 1, text];
  });
  const selects = choice.bands.map((band, position) => {
    const select = element(
      "select",
      { ariaLabel: choice.mode === "rgb" ? ["Red", "Green", "Blue"][position] : "Band" },
      ...names.map(([number, text]) => element("option", { value: String(number) }, text)),
    );
    select.value = String(band);
    select.addEventListener("change", () => {
      choice.bands[position] = Number(select.value);
      chosen();
    });
    return select;
  });
  by("bands").replaceChildren(...(choice.mode === "expression" ? [] : selects));
  by("expression-field").hidden = choice.mode !== "expression";
  by("colormap-field").hidden = choice.mode === "rgb";
}

function fillControls() {
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.checked = radio.value === choice.mode;
    radio.disabled = radio.value === "rgb" && info.count < 3;
  }
  by("expression").value = choice.expression;
  by("resampling").value = choice.resampling;
  by("format").value = choice.format;
  by("nodata").value = choice.nodata;
  by("algorithm").value = choice.algorithm;
  by("color-formula").value = choice.colorFormula;
  by("unscale").checked = choice.unscale;
  showColormap();
}

function fillRanges() {
  const labels = choice.mode === "rgb" ? ["Red", "Green", "Blue"] : ["Range"];
  const rows = (choice.ranges ?? []).map((range, index) => {
    const inputs = [0, 1].map((end) => {
      const input = element("input", {
        type: "number",
        step: "any",
        value: String(range[end]),
        ariaLabel: `${labels[index] ?? "Range"}, ${end ? "highest" : "lowest"} value`,
      });
      input.addEventListener("change", () => {
        if (Number.isFinite(input.valueAsNumber)) range[end] = input.valueAsNumber;
        apply();
      });
      return input;
    });
    return element("div", { className: "field" }, element("div", { className: "row" }, ...inputs));
  });
  by("ranges").replaceChildren(...rows);
  drawHistogram();
}

/** Other bands, another expression: measure anew, stretch anew. */
async function chosen() {
  running?.abort();
  running = new AbortController();
  try {
    fail(null);
    await Promise.all([measure(running.signal), neighbours()]);
    choice.ranges = null;
    if (wantsStretch()) stretch("percentiles");
    fillRanges();
    apply();
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

function listen() {
  by("open").addEventListener("submit", (event) => {
    event.preventDefault();
    choice.url = by("url").value.trim();
    if (choice.url) open();
  });
  by("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.addEventListener("change", () => {
      choice.mode = radio.value;
      if (choice.mode === "rgb") choice.bands = [1, 2, 3];
      else choice.bands = [choice.bands[0] ?? 1];
      if (choice.mode === "expression" && !choice.expression) {
        choice.expression = info.count > 1 ? "(b2-b1)/(b2+b1)" : "b1*2";
        by("expression").value = choice.expression;
      }
      fillBands();
      chosen();
    });
  }
  const fields = [
    ["resampling", "resampling", apply],
    ["format", "format", apply],
    ["color-formula", "colorFormula", apply],
    ["expression", "expression", chosen],
    ["nodata", "nodata", chosen],
    ["algorithm", "algorithm", chosen],
  ];
  for (const [id, name, then] of fields) {
    by(id).addEventListener("change", () => {
      choice[name] = by(id).value.trim();
      then();
    });
  }
  by("unscale").addEventListener("change", () => {
    choice.unscale = by("unscale").checked;
    chosen();
  });
  for (const how of ["percentiles", "all", "none"]) {
    by(`stretch-${how}`).addEventListener("click", () => {
      stretch(how);
      fillRanges();
      apply();
    });
  }
  for (const field of document.querySelectorAll(".copy")) {
    const [input, button] = field.children;
    input.addEventListener("focus", () => input.select());
    button.addEventListener("click", async () => {
      input.select();
      await navigator.clipboard?.writeText(input.value).catch(() => null);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1200);
    });
  }
  window.addEventListener("resize", () => Object.keys(statistics).length && drawHistogram());
}

/** The colormaps with their bars: fetched when the list is opened for the first time. */
async function picker() {
  const list = by("colormap-list");
  const button = by("colormap");
  const panel = by("colormaps");
  const search = by("colormap-search");
  const pick = (name) => {
    choice.colormap = name;
    showColormap();
    for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other.value === name));
    apply();
  };
  button.addEventListener("click", async () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (panel.hidden || list.children.length) return;
    const { colormaps } = await json("colorMaps");
    const names = ["", ...colormaps.map((item) => item.id).sort()];
    list.replaceChildren(
      ...names.map((name) => {
        const choose = element(
          "button",
          { type: "button", value: name },
          element("span", {}, name || plain()),
          name ? bar(name) : null,
        );
        choose.setAttribute("aria-pressed", String(name === choice.colormap));
        choose.addEventListener("click", () => pick(name));
        return element("li", {}, choose);
      }),
    );
  });
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(text);
  });
}

const plain = () => (info && hasPalette() ? "the raster's own" : "gray");
const bar = (name) => element("img", { src: address(`colorMaps/${name}`, [["f", "png"]]), alt: "", loading: "lazy" });

function showColormap() {
  by("colormap").replaceChildren(choice.colormap || plain(), ...(choice.colormap ? [bar(choice.colormap)] : []));
}

// What comes of it

/** Puts the choice on the map, into the links and into the page's address. */
function apply() {
  drawHistogram();
  const suffix = choice.format ? `.${choice.format}` : "";
  const tiles = template(suffix, [...rendering(), ["tilesize", "512"]]);
  const [west, south, east, north] = tilejson.bounds;
  if (map.getLayer("raster")) map.removeLayer("raster");
  if (map.getSource("raster")) map.removeSource("raster");
  map.addSource("raster", {
    type: "raster",
    tiles: [tiles],
    tileSize: window.devicePixelRatio > 1.25 ? 256 : 512,
    minzoom: 0, // all of a raster is fitted into the view first, which may take less than its own first zoom
    maxzoom: tilejson.maxzoom,
    bounds: west > east ? [-180, south, 180, north] : [west, south, east, north],
    attribution: credits(tilejson.attribution),
  });
  map.addLayer({ id: "raster", type: "raster", source: "raster", paint: { "raster-fade-duration": 100 } });
  links(suffix);
  const kept = [...rendering(), ["format", choice.format]].filter(([, value]) => value !== "" && value != null);
  const query = new URLSearchParams(kept);
  if (given.get("access_token")) query.set("access_token", given.get("access_token"));
  history.replaceState(null, "", `${location.pathname}?${query}${location.hash}`);
}

/** A tile address with {z}, {x} and {y} left as they are. */
function template(suffix, params) {
  return address("TILES", params).replace("TILES", `${data.base}/tiles/WebMercatorQuad/{z}/{x}/{y}${suffix}`);
}

function links(suffix) {
  const params = rendering();
  const format = choice.format ? [["tile_format", choice.format]] : [];
  by("link-tilejson").value = address(`${data.base}/WebMercatorQuad/tilejson.json`, [...params, ...format]);
  by("link-xyz").value = template(suffix || ".png", [...params, ["tilesize", "256"]]);
  by("link-wmts").value = address(`${data.base}/WMTSCapabilities.xml`, [...params, ...format]);
  by("link-map").href = address(`${data.base}/WebMercatorQuad/map.html`, params);
  by("link-preview").href = address(`${data.base}/preview`, params);
  by("link-geotiff").href = address(`${data.base}/preview.tif`, [...source(), ...reading()]);
}

function facts() {
  const size = `${info.width} × ${info.height} pixels, ${info.count} ${info.count === 1 ? "band" : "bands"}`;
  const rows = [
    ["Size", size],
    ["Values", info.dtype],
    ["CRS", String(info.crs ?? "none").replace(/^https?:\/\/www\.opengis\.net\/def\/crs\/(\w+)\/[^/]+\//, "$1:").slice(0, 80)],
    ["No data", info.nodata_type === "Nodata" ? short(info.nodata_value) : info.nodata_type],
    ["Overviews", info.overviews?.length ? info.overviews.join(", ") : "none"],
    ["Zooms", `${tilejson.minzoom} – ${tilejson.maxzoom}`],
    ["Format", info.driver],
  ];
  by("facts").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value ?? "")]));
}

async function ask({ lngLat }) {
  if (!tilejson) return;
  const { lng, lat } = lngLat.wrap();
  const popup = new maplibre.Popup().setLngLat(lngLat).setDOMContent(element("p", { className: "values" }, "…")).addTo(map);
  const content = element("div", { className: "values" }, element("span", { className: "soft" }, `${lat.toFixed(5)}°, ${lng.toFixed(5)}°`));
  try {
    const path = `${data.base}/point/${lng.toFixed(6)},${lat.toFixed(6)}`;
    const { values, band_names: names } = await json(path, [...source(), ...reading()]);
    const rows = values.map((value, index) =>
      element("tr", {}, element("th", { scope: "row" }, names[index]), element("td", {}, short(value))),
    );
    content.append(element("table", {}, element("tbody", {}, ...rows)));
  } catch (error) {
    content.append(element("p", {}, error.message));
  }
  popup.setDOMContent(content);
}

function fail(text) {
  by("error").hidden = !text;
  by("error").textContent = text ?? "";
}

function busy(text) {
  const button = by("open").querySelector("button");
  button.disabled = Boolean(text);
  button.textContent = text ?? "Open";
}

async function algorithms() {
  const { algorithms: known } = await json("algorithms");
  by("algorithm").append(...known.map((item) => element("option", {}, item.id)));
  by("algorithm").value = choice.algorithm;
}

function start() {
  map = makeMap({ center: [10, 25], zoom: 1.4 });
  if (!map) {
    say("This browser has no WebGL, which the map needs.");
    return;
  }
  by("url").value = choice.url;
  by("open").hidden = !data.needs_url;
  listen();
  picker();
  algorithms().catch((error) => fail(error.message));
  followPosition(map);
  map.on("error", ({ error }) => {
    if (error?.status && error.status !== 404) fail(`A tile could not be made (${error.status}).`);
  });
  map.on("click", ask);
  map.once("style.load", async () => {
    if (!data.needs_url || choice.url) await open();
    document.documentElement.dataset.ready = "yes";
  });
}

start();
