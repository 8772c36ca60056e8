// The map of the catalog: every layer can be switched on, faded, styled and asked for its values.
import type { Map as MapLibreMap, MapMouseEvent } from "maplibre-gl";
import { by, element, note, say } from "../dom";
import { listenToDrops } from "../dropped/listen";
import { classNames } from "../legend";
import { createMap, hasWebGL, type Library } from "../map/create";
import { onFailure } from "../map/failures";
import { fitTo } from "../map/fit";
import { keptPosition } from "../map/hash";
import { followPosition } from "../map/position";
import { removeRaster, retile, setOpacity } from "../map/raster";
import { ofPoint, type PointAnswer, valueTable } from "../map/values";
import { address, dataOf, json, messageOf, Problem } from "../page";
import { KEPT, remember, wishes, type Wish } from "./address";
import { clock } from "./clock";
import { comparing } from "./compare";
import { beside, boundsOf, type Layer, type LayerState, nameOf, type Page, pageOf, previewOf, stateOf, lookParams, tilesOf } from "./layer";
import { pages } from "./pages";
import { row, type Row } from "./rows";
import { show } from "./show";

const { layer: only } = dataOf<{ layer?: string }>();

/** What the address asks for, or the page itself; null where neither says anything. */
const wanted = (): Wish[] | null => wishes() ?? (only ? [{ id: only, style: "", opacity: 1, sel: [], revision: "" }] : null);

function statesOf(layers: readonly Layer[]): LayerState[] {
  const first = layers[0] && { id: layers[0].id, style: "", opacity: 1, sel: [], revision: "" };
  const on = new Map((wanted() ?? (first ? [first] : [])).map((wish) => [wish.id, wish]));
  return layers.map((layer) => stateOf(layer, on.get(layer.id)));
}

/** A popup with the values of every layer that is on. */
async function ask(map: MapLibreMap, lib: Library, states: readonly LayerState[], { lngLat }: MapMouseEvent): Promise<void> {
  const { lng, lat } = lngLat.wrap();
  const popup = new lib.Popup().setLngLat(lngLat).setDOMContent(element("p", { className: "values" }, "…")).addTo(map);
  const asked = states.filter((state) => state.on);
  const at = `${lng.toFixed(6)},${lat.toFixed(6)}`;
  const found = await Promise.allSettled(
    asked.map((state) => {
      const base = `layers/${state.layer.id}`;
      return Promise.all([json<PointAnswer>(`${base}/point/${at}`, lookParams(state)), classNames(base, lookParams(state))]);
    }),
  );
  const parts = found.flatMap((answer, index) => {
    const state = asked[index];
    const title = element("h3", {}, state ? nameOf(state.layer) : "");
    if (answer.status === "fulfilled") {
      const [values, names] = answer.value;
      return [title, ...ofPoint(values).map((one) => valueTable(one, (value) => (one.values.length === 1 ? names[String(value)] : undefined)))];
    }
    const outside = answer.reason instanceof Problem && answer.reason.status === 404;
    return outside ? [] : [title, element("p", {}, messageOf(answer.reason))];
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

function foldable(): void {
  const button = by("fold");
  const drawer = by("drawer");
  const fold = (closed: boolean): void => {
    drawer.classList.toggle("closed", closed);
    button.textContent = closed ? "Layers" : "Hide";
    button.setAttribute("aria-expanded", String(!closed));
  };
  button.addEventListener("click", () => fold(!drawer.classList.contains("closed")));
  fold(window.innerWidth < 600);
}

/** The zoom at which the globe fills most of the window. */
const wholeEarth = (): number => Math.log2((Math.min(window.innerHeight, window.innerWidth) * 0.86) / 144);

async function start(): Promise<void> {
  foldable();
  const asked = wanted();
  const pageToCome = pageOf("", 0);
  const ids = [...(asked ?? []), ...(wishes(KEPT) ?? [])].map(({ id }) => id);
  const layersToCome = pageToCome.then(async (page) => [...(await beside(page, ids)), ...page.layers]);
  if (!hasWebGL()) return withoutWebGL(await layersToCome, asked);
  const placed = keptPosition() !== null;
  const made = createMap({ center: [12, 24], zoom: wholeEarth() }, true);
  listenToDrops(async () => (await made).map);
  const layers = await layersToCome;
  if (!layers.length) empty();
  const states = statesOf(layers);
  const places = Promise.allSettled(states.filter(({ on }) => on).map(locate));
  const { map, lib, dress } = await made;
  await places;
  map.setProjection({ type: "globe" });
  map.addControl(new lib.GlobeControl(), "top-right");
  map.addControl(new lib.FullscreenControl(), "top-right");
  followPosition(map);
  clock();
  onFailure(map, note);
  const refresh = list(map, states, await pageToCome);
  states.forEach((state) => show(map, states, state));
  const fitted = states.find(({ on }) => on);
  if (!placed && fitted && (asked || !isWorld(fitted))) fitTo(map, fitted.bounds, fitted.layer.minzoom, { padding: besideList() });
  dress();
  comparing(await made, states, (upper, kept, event) => void ask(upper, lib, kept, event));
  map.on("click", (event) => void ask(map, lib, states, event));
  window.addEventListener("popstate", () => {
    apply(wanted(), states);
    states.forEach((state) => {
      removeRaster(map, state.layer.id);
      show(map, states, state);
    });
    refresh();
  });
  document.documentElement.dataset.ready = "yes";
}

/** Room for the list of layers, where that leaves enough for the map. */
const besideList = (): { left: number; right: number; top: number; bottom: number } => ({
  left: window.innerWidth > 900 ? by("drawer").offsetWidth + 40 : 40,
  right: 60,
  top: 40,
  bottom: 40,
});

const isWorld = ({ bounds: [west, , east] }: LayerState): boolean => east - west > 300;

async function locate(state: LayerState): Promise<void> {
  state.bounds = await boundsOf(state.layer);
}

function apply(wish: Wish[] | null, states: readonly LayerState[]): void {
  for (const state of states) {
    const found = wish?.find(({ id }) => id === state.layer.id);
    state.on = found !== undefined || (wish == null && state === states[0]);
    state.style = found?.style ?? "";
    state.opacity = found?.opacity ?? 1;
    state.sel = found?.sel ?? [];
    state.revision = found?.revision ?? "";
  }
}

/** Fills the list, and adds to the states what comes with its further pages; what it returns writes all of them anew. */
function list(map: MapLibreMap, states: LayerState[], first: Page): () => void {
  const located = async (state: LayerState): Promise<void> => {
    await locate(state).catch(() => undefined);
    show(map, states, state);
  };
  const rowOf = (state: LayerState): Row =>
    row(state, {
      toggled: () => {
        void located(state);
        remember(states, true);
      },
      faded: () => {
        setOpacity(map, state.layer.id, state.opacity);
        remember(states);
      },
      styled: () => {
        removeRaster(map, state.layer.id);
        show(map, states, state);
        remember(states, true);
      },
      moved: () => {
        retile(map, state.layer.id, tilesOf(state), state.bounds, (box) => previewOf(state, box));
        remember(states);
      },
      edited: (state) => {
        const { layer } = state;
        const changed = (stays: boolean): void => {
          state.on = stays;
          remember(states);
          location.reload();
        };
        const known = { id: layer.id, name: nameOf(layer), first: first.layers[0]?.id, changed };
        void import("../edit/layer").then(({ editLayer }) => editLayer(known));
      },
      zoomTo: () => fitTo(map, state.bounds, state.layer.minzoom, { duration: 800, padding: besideList() }),
    });
  const rows = new Map<LayerState, Row>();
  const known = new Map(states.map((state) => [state.layer.id, state]));
  const item = (state: LayerState): HTMLElement => {
    const found = rows.get(state) ?? rowOf(state);
    rows.set(state, found);
    return found.item;
  };
  const state = (layer: Layer): LayerState => {
    const found = known.get(layer.id) ?? stateOf(layer);
    if (!known.has(layer.id)) states.push(found);
    known.set(layer.id, found);
    return found;
  };
  if (states.length) pages(first, { state, item, on: () => states.filter(({ on }) => on) });
  return () => rows.forEach(({ refresh }) => refresh());
}

function empty(): void {
  const words = "The catalog is empty. “tilery publish image.tif” puts a layer into it.";
  by("layers").replaceChildren(element("li", { className: "more" }, words));
}

/** Without WebGL the page of one layer that needs none takes over. */
function withoutWebGL(layers: readonly Layer[], asked: readonly Wish[] | null): void {
  const id = asked?.[0]?.id ?? layers[0]?.id;
  if (!id) return say("The catalog is empty.");
  location.replace(`${address(`layers/${id}/WebMercatorQuad/map.html`)}#no-webgl`);
}

start().catch((error: unknown) => say(messageOf(error)));
