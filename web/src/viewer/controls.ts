// The form beside the map: what it shows of a choice, and what it makes of it.
import { by, element } from "../dom";
import type { Algorithm } from "./algorithms";
import type { Choice, Mode } from "./choice";
import { isColoured, isStretchable, modes } from "./look";
import type { Info } from "./raster";

type Field = "resampling" | "format" | "nodata" | "algorithm" | "colorFormula" | "expression";

const FIELDS: readonly (readonly [string, Field])[] = [
  ["resampling", "resampling"],
  ["format", "format"],
  ["color-formula", "colorFormula"],
  ["expression", "expression"],
  ["nodata", "nodata"],
  ["algorithm", "algorithm"],
];
/** Fields that only change how values are shown, not the values. */
const LOOKS: readonly Field[] = ["resampling", "format", "colorFormula"];

const radios = (): NodeListOf<HTMLInputElement> => document.querySelectorAll<HTMLInputElement>("input[name=mode]");
const field = (id: string): HTMLInputElement => by<HTMLInputElement>(id);

/** Writes a choice into the form, and takes away what does not go with it. */
export function fill(choice: Choice, info: Info, found: Algorithm | null): void {
  const offered = modes(info, found);
  for (const radio of radios()) {
    radio.checked = radio.value === choice.mode;
    radio.disabled = !offered[radio.value as Mode];
  }
  for (const [id, name] of FIELDS) field(id).value = choice[name];
  field("unscale").checked = choice.unscale;
  field("opacity").value = String(choice.opacity);
  by("expression-field").hidden = choice.mode !== "expression";
  by("colormap-field").hidden = !isColoured(choice, found);
  by("stretch").hidden = !isStretchable(choice, info, found);
}

/** The lists of bands: one for each that is shown or that the algorithm takes. */
export function fillBands(choice: Choice, info: Info, changed: () => void): void {
  const names = info.band_descriptions.map(([name, description], index) => {
    const said = description && description !== name ? `${index + 1} ${description}` : /\s/.test(name) ? name : `Band ${index + 1}`;
    return element("option", { value: String(index + 1) }, said);
  });
  const labels = choice.mode === "rgb" ? ["Red", "Green", "Blue"] : ["Band", "Second band"];
  const selects = choice.bands.map((band, position) => {
    const options = names.map((option) => option.cloneNode(true));
    const select = element("select", { ariaLabel: labels[position] ?? `Band ${position + 1}` }, ...options);
    select.value = String(band);
    select.addEventListener("change", () => {
      choice.bands[position] = Number(select.value);
      changed();
    });
    return select;
  });
  by("bands").replaceChildren(...(choice.mode === "expression" ? [] : selects));
}

export interface Changes {
  opened(url: string): void;
  /** Other values are shown: they are measured anew. */
  values(): void;
  /** The same values look otherwise. */
  look(): void;
  mode(mode: Mode): void;
  faded(opacity: number): void;
}

/** Listens to the form. */
export function listen(choice: Choice, changes: Changes): void {
  by("open").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = field("url").value.trim();
    if (url) changes.opened(url);
  });
  by("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const radio of radios()) radio.addEventListener("change", () => changes.mode(radio.value as Mode));
  for (const [id, name] of FIELDS) {
    by(id).addEventListener("change", () => {
      choice[name] = field(id).value.trim();
      if (name === "algorithm") choice.parameters = {};
      if (LOOKS.includes(name)) changes.look();
      else changes.values();
    });
  }
  field("unscale").addEventListener("change", () => {
    choice.unscale = field("unscale").checked;
    changes.values();
  });
  field("opacity").addEventListener("input", () => {
    choice.opacity = Number(field("opacity").value);
    changes.faded(choice.opacity);
  });
}

export function fail(text: string | null): void {
  by("error").hidden = !text;
  by("error").textContent = text ?? "";
}

export function busy(text: string | null): void {
  const button = by("open").querySelector("button");
  if (!button) return;
  button.disabled = text !== null;
  button.textContent = text ?? "Open";
}
