// A plot of lines as SVG, whose values can be read by pointer and by keyboard.
import { element, short } from "./dom";

export interface Series {
  readonly name: string;
  /** One for each x; null is a gap. */
  readonly values: readonly (number | null)[];
}

export interface Plot {
  readonly label: string;
  readonly x: readonly number[];
  readonly series: readonly Series[];
  /** What stands below the plot, and what one x is called. */
  readonly xTitle: string;
  readonly xText: (index: number) => string;
  /** Numbers along the bottom; false where x has no unit. */
  readonly xTicks: boolean;
  /** True where each value has a mark of its own: few of them, each a measurement. */
  readonly marks?: boolean;
  /** Called with the index that is pointed at, or null. */
  readonly pointed?: (index: number | null) => void;
}

/** Colours of lines that the style sheet has. */
const COLOURS = 6;
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 150, 46, 8, 8, 30];
const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG. */
export function shape(name: string, attributes: Record<string, string | number>, ...children: (Node | string)[]): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Part of the larger of two numbers that they differ by at least for round numbers to lie between: numbers have 16 digits. */
const APART = 1e-12;
/** Beyond this, differences of two numbers are infinite. */
const LARGEST = Number.MAX_VALUE / 4;
const MOST_TICKS = 12;

const limited = (value: number): number => Math.max(-LARGEST, Math.min(LARGEST, value));

/** The lowest and the highest of some numbers, moved apart where they are the same but for rounding. */
export function ends(numbers: readonly number[]): [number, number] {
  const [low, high] = numbers.map(limited).reduce(([a, b], n) => [Math.min(a, n), Math.max(b, n)], [Infinity, -Infinity]);
  const most = Math.max(Math.abs(low), Math.abs(high));
  return high - low > most * APART ? [low, high] : [low - Math.max(0.5, most / 1000), high + Math.max(0.5, most / 1000)];
}

/** Round numbers between two, three to six of them; fewer where the two are the same but for rounding. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((times) => times * power >= rough) ?? 10) * power;
  const found: number[] = [];
  const first = Math.ceil(low / step);
  // counted: adding 1 to what has 17 digits leaves it as it is
  for (let n = 0; n < MOST_TICKS && (first + n) * step <= high + step * 1e-9; n += 1) found.push(Number(((first + n) * step).toPrecision(12)));
  return [...new Set(found)];
}

/** The pieces of a line between its gaps, as `x,y x,y`. */
function pieces(values: readonly (number | null)[], at: (index: number, value: number) => string): string[][] {
  const found: string[][] = [[]];
  values.forEach((value, index) => {
    if (value == null) found.push([]);
    else found.at(-1)?.push(at(index, value));
  });
  return found.filter((piece) => piece.length > 0);
}

/** A plot with the names of its lines and a line of text that says what is pointed at. */
export function plot({ label, x, series, xTitle, xText, xTicks, marks, pointed }: Plot): HTMLElement {
  const every = series.flatMap(({ values }) => values.filter((value) => value != null));
  if (!every.length) return element("p", {}, "There are no data.");
  const [left, right] = ends(x);
  const [low, high] = ends(every);
  const px = (value: number): number => LEFT + ((value - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
  const py = (value: number): number => HEIGHT - BOTTOM - ((limited(value) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const colour = (index: number): string => `colour${index % COLOURS}`;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", tabindex: 0, "aria-label": label });

  for (const value of ticks(low, high)) {
    svg.append(
      shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(value), y2: py(value) }),
      shape("text", { x: LEFT - 5, y: py(value) + 3, "text-anchor": "end" }, short(value)),
    );
  }
  const along = xTicks ? ticks(left, right) : [];
  along.forEach((value) => svg.append(shape("text", { x: px(value), y: HEIGHT - BOTTOM + 12, "text-anchor": "middle" }, short(value))));
  svg.append(shape("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xTitle));
  series.forEach(({ values }, index) => {
    for (const piece of pieces(values, (at, value) => `${px(x[at] ?? 0).toFixed(1)},${py(value).toFixed(1)}`)) {
      if (piece.length > 1) svg.append(shape("polyline", { points: piece.join(" "), class: colour(index) }));
      for (const point of marks || piece.length === 1 ? piece : []) {
        const [cx, cy] = point.split(",");
        svg.append(shape("circle", { cx: cx ?? 0, cy: cy ?? 0, r: 2.2, class: colour(index) }));
      }
    }
  });
  const cursor = shape("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  svg.append(cursor);
  const names = series.length > 1 ? element("p", { className: "names" }, ...series.map(({ name }, index) => named(name, colour(index)))) : null;
  const said = element("output", { className: "said" });
  const frame = element("div", { className: "plotted" }, svg, names, said);

  let chosen: number | null = null;
  const choose = (index: number | null): void => {
    chosen = index;
    cursor.setAttribute("visibility", index == null ? "hidden" : "visible");
    const at = String(px(x[index ?? 0] ?? 0));
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    const parts = series.map(({ name, values }) => `${series.length > 1 ? `${name} ` : ""}${short(values[index ?? 0])}`);
    said.textContent = index == null ? "" : `${xText(index)}: ${parts.join(", ")}`;
    pointed?.(index);
  };
  const nearest = (clientX: number): number => {
    const box = svg.getBoundingClientRect();
    const wanted = left + ((((clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT)) * (right - left);
    return x.reduce((best, value, index) => (Math.abs(value - wanted) < Math.abs((x[best] ?? 0) - wanted) ? index : best), 0);
  };
  svg.addEventListener("pointermove", (event) => choose(nearest((event as PointerEvent).clientX)));
  svg.addEventListener("pointerdown", (event) => choose(nearest((event as PointerEvent).clientX)));
  svg.addEventListener("pointerleave", () => choose(null));
  svg.addEventListener("blur", () => choose(null));
  svg.addEventListener("keydown", (event) => {
    const last = x.length - 1;
    const to = { ArrowRight: (chosen ?? -1) + 1, ArrowLeft: (chosen ?? last + 1) - 1, Home: 0, End: last }[(event as KeyboardEvent).key];
    if (to == null) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(last, to)));
  });
  return frame;
}

function named(name: string, colour: string): HTMLElement {
  return element("span", {}, element("i", { className: colour }), name);
}
