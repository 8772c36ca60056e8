// The variables of a Zarr store, and a slider for each dimension beside the two of the map: time, level, member.
import { by, element } from "../dom";
import { chosenOf, type Dimension, dimensionOf, dimensionsOf, sliders } from "../dimensions";
import { json, type Params } from "../page";

interface Described {
  readonly dims: readonly string[];
  readonly shape: readonly number[];
}

interface Store {
  readonly coords: Readonly<Record<string, Described>>;
  readonly data_vars: Readonly<Record<string, Described>>;
}

/** What is chosen of a store: a variable, and along its dimensions `name=value`. */
export interface Selected {
  readonly variable: string;
  readonly sel: readonly string[];
}

const ACROSS = ["x", "lon", "longitude"];
const DOWN = ["y", "lat", "latitude"];

/** Fills the list of variables and the sliders, and gives back what is shown: what is wanted, or the first of all. */
export async function chooseVariable(
  store: Params,
  wanted: Selected,
  moved: (sel: readonly string[]) => void,
): Promise<Selected> {
  const { data_vars: found, coords } = await json<Store>("zarr/dataset/dict", store);
  const names = Object.keys(found).filter((name) => (found[name]?.dims.length ?? 0) >= 2);
  const variable = wanted.variable || names[0] || "";
  const list = by<HTMLSelectElement>("variable");
  list.replaceChildren(...names.map((name) => element("option", { value: name, selected: name === variable }, name)));
  by("variable-field").hidden = false;
  const { dims = [], shape = [] } = found[variable] ?? {};
  const others = dims.filter((name) => !onMap(dims).includes(name));
  const lengths = new Map(dims.map((name, index) => [name, shape[index] ?? 0]));
  const along = await Promise.all(
    others.map(async (name): Promise<Dimension> => ({
      name,
      values: coords[name] ? await valuesOf(name, store) : Array.from({ length: lengths.get(name) ?? 0 }, (_, at) => String(at)),
    })),
  );
  const given = wanted.sel.filter((one) => others.includes(dimensionOf(one)));
  const missing = along.filter(({ name, values }) => values.length && !given.some((one) => dimensionOf(one) === name));
  const sel = [...given, ...missing.map(({ name, values }) => `${name}=${values[0]}`)];
  by("dimensions").replaceChildren(...sliders(along, sel, moved));
  return { variable, sel };
}

/** Makes the sliders of a layer, and gives back what is shown: what is wanted, or what the layer shows by itself. */
export async function chooseMoment(
  base: string,
  wanted: readonly string[],
  moved: (sel: readonly string[]) => void,
): Promise<readonly string[]> {
  const along = await dimensionsOf(base, []);
  const sel = chosenOf(along, wanted);
  by("dimensions").replaceChildren(...sliders(along.dimensions, sel, moved));
  return sel;
}

/** The dimensions of the map: those with the usual names, or the last two. */
function onMap(dims: readonly string[]): readonly string[] {
  const named = [ACROSS, DOWN].map((usual) => dims.find((name) => usual.includes(name.toLowerCase())));
  return named.every((name) => name !== undefined) ? (named as string[]) : dims.slice(-2);
}

async function valuesOf(name: string, store: Params): Promise<readonly string[]> {
  const { data } = await json<{ data: unknown }>(`zarr/dataset/coordinates/${encodeURIComponent(name)}`, store);
  return (Array.isArray(data) ? data : [data]).map(String);
}

/** Calls back with the variable that somebody chooses. */
export function listenToVariables(chosen: (variable: string) => void): void {
  const list = by<HTMLSelectElement>("variable");
  list.addEventListener("change", () => chosen(list.value));
}
