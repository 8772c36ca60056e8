// The list of layers beside the map.
import { type Along, chosenOf, dimensionsOf, sliders } from "../dimensions";
import { element, note } from "../dom";
import { showLegend } from "../legend";
import { address, isEditable, isSigned, messageOf, type Params } from "../page";
import { isDark, onTheme } from "../theme";
import { isPublished, type LayerState, nameOf, lookParams, published, revisionsOf, stylesOf } from "./layer";

/** A legend on the page's own ground. */
const legendLook = (): Params => [["theme", isDark() ? "dark" : ""], ["transparent", "true"]];

export interface Actions {
  toggled(state: LayerState): void;
  faded(state: LayerState): void;
  styled(state: LayerState): void;
  /** Another moment of it is chosen. */
  moved(state: LayerState): void;
  zoomTo(state: LayerState): void;
  edited(state: LayerState): void;
}

/** An entry of the list. */
export interface Row {
  readonly item: HTMLLIElement;
  /** Writes down what has become of the state elsewhere. */
  refresh(): void;
}

export function row(state: LayerState, actions: Actions): Row {
  const { layer } = state;
  const box = element("input", { type: "checkbox" });
  const opacity = element("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    ariaLabel: `Opacity of ${nameOf(layer)}`,
  });
  const style = styleField(state);
  const zoom = element("button", { type: "button", className: "quiet small" }, "Zoom to it");
  const edit = isEditable && !isSigned ? element("button", { type: "button", className: "quiet small edit-button" }, "Edit") : null;
  const legend = element("img", { className: "legend-picture", alt: `Legend of ${nameOf(layer)}`, hidden: true });
  const explain = (): void => {
    if (state.on) showLegend(legend, address(`layers/${layer.id}/legend.svg`, [...lookParams(state), ...legendLook()]));
  };
  const moments = layer.kind === "zarr" ? momentsField(state, () => (explain(), actions.moved(state))) : null;
  const revisions = isPublished(layer) ? revisionField(state, () => (explain(), actions.styled(state))) : null;
  const more = element(
    "div",
    { className: "more" },
    element("label", { className: "line" }, "Opacity", opacity),
    style && element("label", { className: "line" }, "Style", style),
    moments?.item,
    revisions?.item,
    legend,
    element(
      "div",
      { className: "links" },
      zoom,
      element("a", { href: address(layer.id) }, "TileJSON"),
      element("a", { href: address(`layers/${layer.id}/viewer`) }, "Viewer"),
      edit,
    ),
  );
  const refresh = (): void => {
    box.checked = state.on;
    more.hidden = !state.on;
    opacity.value = String(state.opacity);
    if (style) style.value = state.style;
    moments?.refresh();
    revisions?.refresh();
    explain();
  };
  box.addEventListener("change", () => {
    state.on = box.checked;
    more.hidden = !state.on;
    moments?.refresh();
    revisions?.refresh();
    explain();
    actions.toggled(state);
  });
  opacity.addEventListener("input", () => {
    state.opacity = Number(opacity.value);
    actions.faded(state);
  });
  style?.addEventListener("change", () => {
    state.style = style.value;
    explain();
    actions.styled(state);
  });
  onTheme(explain);
  zoom.addEventListener("click", () => actions.zoomTo(state));
  edit?.addEventListener("click", () => actions.edited(state));
  refresh();
  const about = element("span", { className: "about" }, `zoom ${layer.minzoom} – ${layer.maxzoom}`);
  const title = element("span", {}, element("span", { className: "name" }, nameOf(layer)), about);
  const head = element("label", { className: "head" }, box, thumbnail(state), title);
  return { item: element("li", {}, head, more), refresh };
}

function thumbnail({ layer }: LayerState): HTMLImageElement {
  const thumb = element("img", {
    className: "thumb",
    src: address(`layers/${layer.id}/preview.webp`, [["max_size", 128]]),
    alt: "",
    loading: "lazy",
  });
  thumb.addEventListener("error", () => thumb.classList.add("broken"));
  return thumb;
}

interface Field {
  readonly item: HTMLElement;
  /** Writes down what is chosen; asks for what there is to choose from when the layer is first on. */
  refresh(): void;
}

/** Sliders for time and whatever else of a layer is not on the map. */
function momentsField(state: LayerState, changed: () => void): Field {
  const item = element("div", { className: "moments" });
  const base = `layers/${state.layer.id}`;
  let known: Promise<Along> | null = null;
  const refresh = async (): Promise<void> => {
    if (!state.on) return;
    const along = await (known ??= dimensionsOf(base, []));
    const moved = (sel: readonly string[]): void => {
      state.sel = sel.filter((one) => !along.sel.includes(one));
      changed();
    };
    item.replaceChildren(...sliders(along.dimensions, chosenOf(along, state.sel), moved, `along-${state.layer.id}`));
  };
  return { item, refresh: () => void refresh().catch((error: unknown) => note(messageOf(error))) };
}

/** The revision that is shown, where there is one before the current: to look at, and to compare with. */
function revisionField(state: LayerState, changed: () => void): Field {
  const list = element("select", { ariaLabel: `Revision of ${nameOf(state.layer)}` });
  const item = element("label", { className: "line", hidden: true }, "Revision", list);
  let known: Promise<readonly string[]> | null = null;
  const refresh = async (): Promise<void> => {
    if (!state.on) return;
    const [current, ...earlier] = await (known ??= revisionsOf(state.layer));
    if (current && !list.length) {
      const option = (value: string, text: string): HTMLOptionElement => element("option", { value }, text);
      list.append(option("", `${published(current)}, current`), ...earlier.map((name) => option(name, published(name))));
    }
    item.hidden = list.length < 2;
    list.value = state.revision;
  };
  list.addEventListener("change", () => {
    state.revision = list.value;
    changed();
  });
  return { item, refresh: () => void refresh().catch((error: unknown) => note(messageOf(error))) };
}

function styleField({ layer }: LayerState): HTMLSelectElement | null {
  const styles = stylesOf(layer);
  if (!styles.length) return null;
  return element(
    "select",
    { ariaLabel: `Style of ${nameOf(layer)}` },
    element("option", { value: "" }, "default"),
    ...styles.map(([name, title]) => element("option", { value: name }, title)),
  );
}
