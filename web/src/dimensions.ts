// Dimensions that are not on the map, as time, level and member: a slider for each.
import { element } from "./dom";
import { json, type Params } from "./page";

export interface Dimension {
  readonly name: string;
  readonly values: readonly string[];
}

/** Milliseconds of rest after a slider moved before tiles are asked for. */
const REST = 150;

/** Of a choice along a dimension, as `time=2020-01-01`, its name and its value. */
export const dimensionOf = (sel: string): string => sel.slice(0, sel.indexOf("="));
const valueOf = (sel: string): string => sel.slice(sel.indexOf("=") + 1);

/** A slider for each dimension. `moved` is called with what is chosen along all of them, once a slider rests. */
export function sliders(
  dimensions: readonly Dimension[],
  sel: readonly string[],
  moved: (sel: readonly string[]) => void,
  prefix = "dimension",
): HTMLElement[] {
  let now = [...sel];
  let timer = 0;
  return dimensions.map(({ name, values }) => {
    const id = `${prefix}-${name}`;
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
}

/** A moment without what is nought of it. */
const shown = (value: string): string => value.replace(/(\.0+)?$/, "").replace(/T00:00:00$/, "").replace("T", " ");

/** What is known of a layer's dimensions. */
export interface Along {
  readonly dimensions: readonly Dimension[];
  /** What the layer shows by itself; nothing along a dimension whose values are its bands. */
  readonly sel: readonly string[];
}

/** Asks for the dimensions of a layer at the path of its routes. */
export async function dimensionsOf(base: string, query: Params): Promise<Along> {
  type Found = { readonly name: string; readonly values: readonly unknown[]; readonly position: number | null };
  const { dimensions: found } = await json<{ dimensions: readonly Found[] }>(`${base}/dimensions`, query);
  return {
    dimensions: found.map(({ name, values }) => ({ name, values: values.map(String) })),
    sel: found.flatMap(({ name, values, position }) => (position == null ? [] : [`${name}=${String(values[position])}`])),
  };
}

/** What is chosen along all dimensions, where somebody wants others than what is shown without a choice. */
export function chosenOf({ dimensions, sel }: Along, wanted: readonly string[]): string[] {
  const given = wanted.filter((one) => dimensions.some(({ name }) => name === dimensionOf(one)));
  return [...sel.filter((one) => !given.some((other) => dimensionOf(other) === dimensionOf(one))), ...given];
}
