// The variables of a Zarr store, and a slider for each dimension beside the two of the map: time, level, member.
import { by, element } from "../dom";
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

interface Dimension {
  readonly name: string;
  readonly values: readonly string[];
}

/** Milliseconds of rest after a slider moved before tiles are asked for. */
const REST = 150;
const ACROSS = ["x", "lon", "longitude"];
const DOWN = ["y", "lat", "latitude"];

const dimensionOf = (sel: string): string => sel.slice(0, sel.indexOf("="));
const valueOf = (sel: string): string => sel.slice(sel.indexOf("=") + 1);

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
  const sliders = await Promise.all(
    others.map(async (name): Promise<Dimension> => ({
      name,
      values: coords[name] ? await valuesOf(name, store) : Array.from({ length: lengths.get(name) ?? 0 }, (_, at) => String(at)),
    })),
  );
  const given = wanted.sel.filter((one) => others.includes(dimensionOf(one)));
  const missing = sliders.filter(({ name, values }) => values.length && !given.some((one) => dimensionOf(one) === name));
  const sel = [...given, ...missing.map(({ name, values }) => `${name}=${values[0]}`)];
  show(sliders, sel, moved);
  return { variable, sel };
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

function show(dimensions: readonly Dimension[], sel: readonly string[], moved: (sel: readonly string[]) => void): void {
  let now = [...sel];
  let timer = 0;
  const rows = dimensions.map(({ name, values }) => {
    const id = `dimension-${name}`;
    const value = (): string => now.filter((one) => dimensionOf(one) === name).map(valueOf).join(", ");
    const written = element("output", { className: "mono" }, shown(value()));
    const input = element("input", { id, type: "range", min: "0", max: String(values.length - 1), step: "1" });
    input.value = String(Math.max(values.indexOf(value()), 0));
    const say = (): void => {
      written.textContent = shown(value());
      input.setAttribute("aria-valuetext", shown(value()));
    };
    say();
    input.addEventListener("input", () => {
      now = [...now.filter((one) => dimensionOf(one) !== name), `${name}=${values[Number(input.value)]}`];
      say();
      clearTimeout(timer);
      timer = window.setTimeout(() => moved(now), REST);
    });
    input.disabled = values.length < 2;
    return element("div", { className: "field" }, element("label", { htmlFor: id }, name, ": ", written), input);
  });
  by("dimensions").replaceChildren(...rows);
}

/** A moment without what is nought of it. */
const shown = (value: string): string => value.replace(/(\.0+)?$/, "").replace(/T00:00:00$/, "").replace("T", " ");

/** Calls back with the variable that somebody chooses. */
export function listenToVariables(chosen: (variable: string) => void): void {
  const list = by<HTMLSelectElement>("variable");
  list.addEventListener("change", () => chosen(list.value));
}
