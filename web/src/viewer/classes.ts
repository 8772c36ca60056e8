// Values that stand for something: a table of them with a colour and a name each. Fetched when it is opened.
import { by, element, short } from "../dom";
import { isNamed, legendOf, type Names } from "../legend";
import { json, messageOf, type Params } from "../page";
import type { Statistics } from "./raster";

/** Classes of one raster at most: all of them stand in the address of every tile. */
const MOST = 128;
/** Pixels along the longest side of what is looked at for values. */
const LOOKED_AT = 1024;
/** Colours to begin with, told apart also by those who see red and green alike (Paul Tol; Okabe and Ito). */
const COLOURS = [
  "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#d55e00", "#009e73", "#e69f00",
  "#0072b2", "#cc79a7", "#999933", "#882255", "#44aa99", "#117733", "#332288", "#ddcc77", "#88ccee", "#56b4e9",
];

export interface Chosen {
  /** JSON of colours by value, and of names by value; both empty where there are no classes. */
  readonly colormap: string;
  readonly labels: string;
}

export interface Asked {
  /** Path of the family's routes, as `cog`. */
  readonly base: string;
  /** What names the raster and how its values are read. */
  readonly values: Params;
  /** How they are coloured and named now. */
  readonly legend: Params;
  /** What the raster itself calls its values. */
  readonly names: Names;
}

interface Class {
  readonly value: string;
  /** Part of the pixels; null where none was met. */
  readonly share: number | null;
  readonly show: HTMLInputElement;
  readonly colour: HTMLInputElement;
  readonly name: HTMLInputElement;
}

/** Shows the table. `changed` is called with what is chosen in it, at once where colours are only proposed. */
export async function showClasses(asked: Asked, changed: (chosen: Chosen) => void): Promise<void> {
  const panel = by("classes");
  panel.replaceChildren(element("p", { className: "soft" }, "Looking for values…"));
  try {
    const [shares, legend] = await Promise.all([sharesOf(asked), legendOf(asked.base, asked.legend)]);
    const known = new Map(legend.kind === "classes" ? legend.classes.map((known) => [String(known.value), known]) : []);
    const values = [...new Set([...shares.keys(), ...known.keys()])].sort((one, other) => Number(one) - Number(other));
    if (values.length > MOST) throw new Error(`There are ${values.length} different values, too many for classes.`);
    const tell = (): void => changed(chosenIn(classes));
    const classes = values.map((value, index) => {
      const own = known.get(value);
      const input = (type: string, said: string, properties: Record<string, unknown>): HTMLInputElement => {
        const made = element("input", { type, ariaLabel: `${said} of ${value}`, ...properties });
        made.addEventListener("change", tell);
        return made;
      };
      return {
        value,
        share: shares.get(value) ?? null,
        show: input("checkbox", "Visibility", { checked: own ? !own.color.slice(7).startsWith("00") : !known.size }),
        colour: input("color", "Color", { value: own?.color.slice(0, 7) ?? COLOURS[index % COLOURS.length] }),
        name: input("text", "Name", { value: (own && isNamed(own) ? own.label : asked.names[value]) ?? "", maxLength: 200, placeholder: value }),
      };
    });
    panel.replaceChildren(table(classes), remover(changed));
    if (!known.size) tell();
  } catch (error) {
    panel.replaceChildren(element("p", {}, messageOf(error)));
  }
}

/** The part of the pixels that each value has, in an overview. */
async function sharesOf({ base, values }: Asked): Promise<Map<string, number>> {
  const found = await json<Statistics>(`${base}/statistics`, [...values, ["categorical", "true"], ["max_size", LOOKED_AT]]);
  const [counts, keys] = Object.values(found)[0]?.histogram ?? [[], []];
  const all = counts.reduce((sum, count) => sum + count, 0) || 1;
  return new Map(keys.map((key, index) => [String(key), (counts[index] ?? 0) / all]));
}

function chosenIn(classes: readonly Class[]): Chosen {
  const shown = classes.filter(({ show }) => show.checked);
  const named = shown.filter(({ name }) => name.value.trim());
  return {
    colormap: JSON.stringify(Object.fromEntries(shown.map(({ value, colour }) => [value, colour.value]))),
    labels: named.length ? JSON.stringify(Object.fromEntries(named.map(({ value, name }) => [value, name.value.trim()]))) : "",
  };
}

function table(classes: readonly Class[]): HTMLElement {
  const heads = ["Show", "Color", "Value", "Name", "%"].map((title) => element("th", { scope: "col" }, title));
  const rows = classes.map(({ value, share, show, colour, name }) => {
    const part = share == null ? "–" : short(Number((share * 100).toPrecision(3)));
    const value_ = element("th", { scope: "row" }, value);
    return element("tr", {}, element("td", {}, show), element("td", {}, colour), value_, element("td", {}, name), element("td", {}, part));
  });
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("div", { className: "scroll" }, made);
}

function remover(changed: (chosen: Chosen) => void): HTMLElement {
  const button = element("button", { type: "button" }, "Without classes");
  button.addEventListener("click", () => {
    by("classes").hidden = true;
    by("classes-button").setAttribute("aria-expanded", "false");
    changed({ colormap: "", labels: "" });
  });
  return button;
}
