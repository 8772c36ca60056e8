// The viewer: open a raster, decide how its bands become a picture, share it.
//
// What is shown is kept in one object, `choice`. Every control writes into it and calls `apply`; from it come the tiles'
// address, the links and the page's own address, which can be kept and sent to somebody.
import { by, credits, element, say } from "../dom";
import type { Bounds } from "../geo";
import { showLegend } from "../legend";
import { listenToDrops } from "../dropped/listen";
import { createMap, hasWebGL, type Made } from "../map/create";
import { onFailure } from "../map/failures";
import { fitTo } from "../map/fit";
import { keepInHash, keptPosition } from "../map/hash";
import { followPosition } from "../map/position";
import { addRaster, removeRaster, retile, setOpacity } from "../map/raster";
import { address, dataOf, messageOf, type Params, template } from "../page";
import { isDark, onTheme } from "../theme";
import { keepInAddress } from "./address";
import { algorithm, type Algorithm, bufferOf, fillAlgorithms, fillParameters, wantsSmooth } from "./algorithms";
import { chooseAssets, listenToAssets } from "./assets";
import { addressParams, algorithmParams, type Choice, hasClasses, legendParams, recalled, renderingParams, sourceParams, storeParams, untouched, valueParams } from "./choice";
import { askingOf, type Clicked, showValues } from "./clicks";
import { colormapPicker } from "./colormaps";
import { comparing } from "./compare";
import { busy, fail, fill, fillBands, listen } from "./controls";
import { facts } from "./facts";
import { firstLook } from "./first-look";
import { histogram, rangeFields } from "./histogram";
import { areWhole, bandsFor, firstChoice, firstClasses, hasPalette, isColoured, type Stretch, stretched, wantsStretch } from "./look";
import { type Tools, tools } from "./measure";
import { factsOf, measure as spread, type Opened, type Place, placeOf, type Statistics } from "./raster";
import { copyButtons, share, shareView, type Shown, snippetKinds } from "./share";
import { type Standing, standing } from "./standing";
import { chooseMoment, chooseVariable, listenToVariables } from "./variables";
import { withoutWebGL } from "./without-webgl";
import type { Asking, Plain } from "./without-place";

interface Data {
  readonly base: string;
  readonly needs_url: boolean;
  readonly has_assets: boolean;
  readonly has_variables: boolean;
  readonly has_dimensions: boolean;
  readonly max_bands: number;
}

const { base, needs_url: needsUrl, has_assets: hasAssets, has_variables: hasVariables, has_dimensions: hasDimensions, max_bands: mostBands } = dataOf<Data>();
const ID = "raster";

const first = recalled(new URLSearchParams(location.search));
const choice: Choice = first.choice;
if (!needsUrl) choice.url = "";

let opened: Opened | null = null;
let found: Algorithm | null = null;
let statistics: Statistics = {};
let running = new AbortController();
let forget = (): void => undefined;
let mapOf: Promise<Made> | null = null;
let mayBegin = (): void => undefined;
/** To make the map keeps the browser busy for half a second or more: what is seen first comes before. */
const turn = new Promise<void>((done) => (mayBegin = done));
let stands: Standing | null = null;
let measure: Tools | null = null;
let plain: Plain | null = null;

const graph = histogram(
  () => writeRanges(),
  () => apply(true),
);
const showColormap = colormapPicker(
  () => (opened && hasPalette(choice, opened.info) ? "the raster's own" : "gray"),
  (name) => {
    Object.assign(choice, { colormap: name, ownColormap: "", labels: "" });
    recolour();
  },
);

const rendering = (): Params => renderingParams(choice, isColoured(choice, found));

/** Shows the values in other colours: stretched where these are no classes. */
function recolour(): void {
  if (!opened) return;
  if (hasClasses(choice)) choice.ranges = null;
  else if (!choice.ranges && wantsStretch(choice, opened.info, found)) choice.ranges = stretched("percentiles", statistics, found);
  refresh();
  apply(true);
}

/** Opens or closes the table of classes. */
async function toggleClasses(): Promise<void> {
  const [panel, button] = [by("classes"), by("classes-button")];
  panel.hidden = !panel.hidden;
  button.setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden || !opened) return;
  const { showClasses } = await import("./classes");
  const values = valueParams(choice);
  const names = opened.info.class_names?.[`b${choice.bands[0] ?? 1}`] ?? {};
  await showClasses({ base, values, legend: [...rendering(), ...legendParams(choice)], names: choice.mode === "one" ? names : {} }, ({ colormap, labels }) => {
    Object.assign(choice, { ownColormap: colormap, labels });
    recolour();
  });
}

function closeClasses(): void {
  by("classes").hidden = true;
  by("classes-button").setAttribute("aria-expanded", "false");
}

/** Begins anew, and gives up what is under way. */
function anew(): AbortSignal {
  running.abort();
  running = new AbortController();
  return running.signal;
}

/** Opens the raster that the choice names; `looks` says that the choice says how it looks, too. */
async function openRaster(looks: boolean, placed: boolean): Promise<void> {
  const signal = anew();
  fail(null);
  closeClasses();
  busy("Opening…");
  forget();
  plain?.end();
  plain = null;
  try {
    if (hasAssets) choice.assets = await chooseAssets(base, choice.url, choice.assets);
    if (hasVariables) Object.assign(choice, await chooseVariable(storeParams(choice), choice, moveTo));
    if (hasDimensions) choice.sel = await chooseMoment(base, choice.sel, moveTo);
    const facts = await factsOf(base, sourceParams(choice), choice.assets, signal);
    choice.assetBands = facts.counts;
    // the one band of a variable is called after the moment, which changes
    const info = hasVariables && facts.info.count === 1 ? { ...facts.info, band_descriptions: [["b1", choice.variable]] as const } : facts.info;
    const { colormap, ranges, resampling, nodata, colorFormula, unscale, ownColormap, labels } = choice;
    const kept = { colormap, ranges, resampling, nodata, colorFormula, unscale, ownColormap, labels };
    if (!looks) Object.assign(choice, firstChoice(info), kept);
    if (!looks && choice.mode === "one" && !(colormap || ranges || ownColormap)) Object.assign(choice, firstClasses(info));
    if (choice.ranges && choice.ranges.length !== 1 && choice.mode !== "rgb") choice.ranges = choice.ranges.slice(0, 1);
    opened = { info, place: "" };
    const needed = choice.algorithm || wantsStretch(choice, info, null) ? prepare(signal) : null;
    const [place] = await Promise.all([placeOf(base, sourceParams(choice), facts, signal), needed]);
    opened = { info, place };
    if (!needed) void prepare(signal).then(refresh, (error: unknown) => fail(messageOf(error)));
    offer(opened);
    if (typeof place === "string") await showByItself(signal);
    else await showOnMap(place, placed, signal);
  } catch (error) {
    if (signal.aborted) return;
    opened = null;
    for (const id of ["controls", "results", "tools"]) by(id).hidden = true;
    fail(messageOf(error));
  } finally {
    if (!signal.aborted) busy(null);
  }
}

/** Shows the controls that a raster has, and what is known of it. */
function offer(opened: Opened): void {
  const isPlaced = typeof opened.place !== "string";
  for (const id of ["controls", "results", "share"]) by(id).hidden = false;
  for (const id of ["tools", "opacity-field"]) by(id).hidden = !isPlaced;
  by("hint").hidden = isPlaced;
  if (!isPlaced) by("hint").textContent = `${opened.place} So it is shown by itself, without a map.`;
  facts(opened);
  refresh();
}

async function showOnMap({ bounds, minzoom }: Place, placed: boolean, signal: AbortSignal): Promise<void> {
  const away = placed ? () => undefined : firstLook(bounds, minzoom, preview, mayBegin);
  forget = away;
  const { map } = await (mapOf ??= makeMap());
  if (signal.aborted) return;
  if (!placed) fitTo(map, bounds, minzoom);
  apply(false);
  stands?.offer(opened);
  map.once("idle", away);
}

/** Shows what there is of a raster that has no place on the map. */
async function showByItself(signal: AbortSignal): Promise<void> {
  const { withoutPlace } = await import("./without-place");
  if (signal.aborted || !opened) return;
  plain = withoutPlace(opened.info, asking);
  stands?.offer(opened);
  apply(false);
}

/** Learns what the choice needs to be shown: the algorithm, how values are spread, and how they are stretched. */
async function prepare(signal: AbortSignal): Promise<void> {
  if (!opened) return;
  const { info } = opened;
  found = choice.algorithm ? await algorithm(choice.algorithm) : null;
  choice.buffer = found ? bufferOf(found, choice.parameters) : "";
  if (found?.inputs.nbands === 1 && choice.mode === "rgb") choice.mode = "one";
  if (found && wantsSmooth(found) && !choice.resampling) choice.resampling = "bilinear";
  if (choice.mode !== "expression") choice.bands = bandsFor(choice, info, found);
  if (choice.mode === "expression" && !choice.expression) return;
  statistics = await spread(base, [...valueParams(choice), ...algorithmParams(choice)], signal);
  if (choice.ranges == null && wantsStretch(choice, info, found)) {
    choice.ranges = stretched(found?.outputs.min ? "all" : "percentiles", statistics, found);
  }
}

/** Writes the choice into the form. */
function refresh(): void {
  if (!opened) return;
  const { info } = opened;
  fill(choice, info, found);
  fillBands(choice, info, () => void revalue());
  fillParameters(found, choice.parameters, (next) => {
    choice.parameters = next;
    void revalue();
  });
  showColormap(choice.ownColormap ? "" : choice.colormap, choice.ownColormap ? (hasClasses(choice) ? "classes" : "own colors") : undefined);
  by("classes-field").hidden = !areWhole(choice, statistics, found);
  writeRanges();
  graph.draw(statistics, choice.ranges);
}

function writeRanges(): void {
  const labels = choice.mode === "rgb" ? ["Red", "Green", "Blue"] : ["Range"];
  rangeFields(choice.ranges, labels, () => {
    graph.draw(statistics, choice.ranges);
    apply(true);
  });
}

/** Other values are shown: measures and stretches anew. */
async function revalue(): Promise<void> {
  const signal = anew();
  fail(null);
  try {
    choice.ranges = null;
    await prepare(signal);
    refresh();
    apply(true);
    measure?.again();
  } catch (error) {
    if (!signal.aborted) fail(messageOf(error));
  }
}

const preview = ([west, south, east, north]: Bounds): string => {
  const box = [west, south, east, north].map((value) => value.toFixed(7)).join(",");
  const suffix = choice.format && choice.format !== "jpg" ? choice.format : "png";
  return address(`${base}/bbox/${box}.${suffix}`, [...rendering(), ["dst_crs", "epsg:3857"], ["max_size", 768]]);
};

/** The address of the choice's tiles. */
function tilesNow(): string {
  const suffix = choice.format ? `.${choice.format}` : "";
  return template(`${base}/tiles/WebMercatorQuad/{z}/{x}/{y}${suffix}`, [...rendering(), ["tilesize", 512]]);
}

/** Puts the choice on the map, into the links and into the page's address; `push` makes a step to go back to. */
function apply(push: boolean): void {
  if (!opened) return;
  const { place } = opened;
  shareNow();
  keepAddress(push);
  legend();
  if (typeof place === "string") return showPicture();
  const tiles = tilesNow();
  void mapOf?.then((made) => {
    const { map } = made;
    removeRaster(map, ID);
    addRaster(map, {
      id: ID,
      bounds: place.bounds,
      minzoom: place.minzoom,
      maxzoom: place.maxzoom,
      tiles,
      tileSize: window.devicePixelRatio > 1.25 ? 256 : 512,
      attribution: credits(place.attribution),
      opacity: choice.opacity,
      preview,
    });
    shareMap(made);
  });
}

/** Shows the choice as one picture, where there is no map. */
function showPicture(): void {
  fail(null);
  plain?.show(address(`${base}/preview.png`, [...rendering(), ["max_size", 1024]])).catch((error: unknown) => fail(messageOf(error)));
}

/** Shows another moment: what is stretched stays, so that moments can be compared. */
function moveTo(sel: readonly string[]): void {
  choice.sel = sel;
  shareNow();
  keepAddress(false);
  const place = opened?.place;
  if (typeof place === "string") showPicture();
  else {
    void mapOf?.then((made) => {
      retile(made.map, ID, tilesNow(), place?.bounds, preview);
      shareMap(made);
    });
  }
  measure?.again();
  const signal = anew();
  prepare(signal).then(refresh, (error: unknown) => !signal.aborted && fail(messageOf(error)));
}

function legend(): void {
  const look: Params = [["theme", isDark() ? "dark" : ""], ["transparent", "true"]];
  showLegend(by<HTMLImageElement>("legend"), address(`${base}/legend.svg`, [...rendering(), ...legendParams(choice), ...look]));
}

const keepAddress = (push: boolean): void => keepInAddress([...addressParams(choice, isColoured(choice, found)), ...legendParams(choice), ["format", choice.format]], push);

async function makeMap(): Promise<Made> {
  const made = await createMap({ center: [10, 25], zoom: 1.4 }, true);
  const { map } = made;
  followPosition(map);
  onFailure(map, fail);
  map.on("click", (event) => {
    const now = opened && typeof opened.place !== "string" && !measure?.isDrawing() ? clicked() : null;
    if (now) void showValues(made, event, now);
  });
  map.on("moveend", () => shareMap(made));
  made.dress();
  return made;
}

/** What is shown, as the links have it; null before there is a raster. */
const shown = (): Shown | null =>
  opened && {
    base,
    values: valueParams(choice),
    rendering: rendering(),
    format: choice.format,
    ...(typeof opened.place === "string"
      ? { zooms: null, bounds: null }
      : { zooms: [opened.place.minzoom, opened.place.maxzoom], bounds: opened.place.bounds }),
  };

function shareNow(): void {
  const now = shown();
  if (now) share(now, by<HTMLSelectElement>("snippet-kind").value);
}

function shareMap({ map }: Made): void {
  const now = shown();
  if (!now) return;
  const view = map.getBounds();
  shareView(now, [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()]);
}

/** What a click asks about. */
const clicked = (): Clicked | null => opened && { base, choice, info: opened.info, mostBands, isAlone: choice.mode === "one" && !found, rendering: rendering() };

function asking(): Asking {
  const now = clicked();
  if (!now) throw new Error("There is no raster.");
  return askingOf(now);
}

function listenToForm(): void {
  listen(choice, {
    opened: (url) => {
      Object.assign(choice, untouched(), { url, assets: [], assetBands: [], variable: "", sel: [] });
      found = null;
      measure?.close();
      void openRaster(false, false);
    },
    values: () => void revalue(),
    look: () => apply(true),
    mode: (mode) => {
      choice.mode = mode;
      choice.bands = mode === "rgb" ? [1, 2, 3] : [choice.bands[0] ?? 1];
      if (mode === "expression" && !choice.expression) {
        choice.expression = opened && opened.info.count > 1 ? "(b2-b1)/(b2+b1)" : "b1*2";
      }
      refresh();
      void revalue();
    },
    faded: (opacity) => {
      void mapOf?.then(({ map }) => setOpacity(map, ID, opacity));
      keepInHash("opacity", opacity < 1 ? String(opacity) : null);
    },
  });
  for (const how of ["percentiles", "all", "none"] as const satisfies readonly Stretch[]) {
    by(`stretch-${how}`).addEventListener("click", () => {
      choice.ranges = stretched(how, statistics, found);
      refresh();
      apply(true);
    });
  }
  by("classes-button").addEventListener("click", () => {
    toggleClasses().catch((error: unknown) => fail(messageOf(error)));
  });
  const kinds = by<HTMLSelectElement>("snippet-kind");
  kinds.append(...snippetKinds.map((kind) => element("option", {}, kind)));
  kinds.addEventListener("change", shareNow);
  copyButtons();
  // there where somebody may change layers
  document.getElementById("save-button")?.addEventListener("click", () => {
    void import("../edit/save").then(({ save }) => save({ base, url: choice.url, render: [...rendering(), ...legendParams(choice)] }));
  });
  listenToVariables((variable) => {
    Object.assign(choice, untouched(), { variable, sel: [] });
    found = null;
    void openRaster(false, true).then(() => measure?.again());
  });
  listenToAssets((assets) => {
    Object.assign(choice, untouched(), { assets });
    found = null;
    void openRaster(false, false).then(() => measure?.again());
  });
}

/** Back and forward: what the address says is shown again. */
function goBack(): void {
  const { choice: kept, looks } = recalled(new URLSearchParams(location.search));
  const named = ({ url, variable, sel }: Choice): string => JSON.stringify([needsUrl && url, variable, sel]);
  const other = named(kept) !== named(choice);
  Object.assign(choice, kept, needsUrl ? {} : { url: "" });
  if (other || !opened) return void openRaster(looks, false).then(() => measure?.recall());
  measure?.recall();
  closeClasses();
  const signal = anew();
  prepare(signal).then(
    () => {
      refresh();
      apply(false);
    },
    (error: unknown) => !signal.aborted && fail(messageOf(error)),
  );
}

async function start(): Promise<void> {
  by<HTMLInputElement>("url").value = choice.url;
  by("open").hidden = !needsUrl;
  listenToForm();
  const wanted = !needsUrl || choice.url !== "";
  if (!hasWebGL()) {
    const showHere = async (): Promise<unknown> => Promise.all([openRaster(first.looks, false), fillAlgorithms(choice.algorithm)]);
    return withoutWebGL(base, choice, wanted, showHere);
  }
  const placed = keptPosition() !== null;
  const opening = wanted ? openRaster(first.looks, placed) : Promise.resolve();
  if (!wanted || placed) mayBegin();
  void opening.finally(mayBegin);
  mapOf ??= turn.then(makeMap);
  const made = mapOf;
  listenToDrops(async () => (await made).map, by<HTMLInputElement>("file"));
  comparing(base, mapOf, rendering, fail);
  const values = (): Params => [...valueParams(choice), ["resampling", choice.resampling], ["reproject", choice.resampling]];
  stands = standing(mapOf, base, () => ({ choice, statistics }), fail);
  measure = tools(mapOf, { base, values, algorithm: () => algorithmParams(choice) }, fail);
  window.addEventListener("popstate", goBack);
  onTheme(() => opened && legend());
  await Promise.all([opening.then(() => opened && measure?.recall()), mapOf, fillAlgorithms(choice.algorithm)]);
  document.documentElement.dataset.ready = "yes";
}

start().catch((error: unknown) => say(messageOf(error)));
