// The histogram of what is shown, with handles that stretch it.
import { by, element, short } from "../dom";
import type { Range } from "./choice";
import type { Statistics } from "./raster";

const COLOURS = ["#c8432e", "#2f8f4e", "#2b62c4"];
const MARGIN = 4;

export interface Histogram {
  /** Draws the statistics with the ranges that are shown. */
  draw(statistics: Statistics, ranges: readonly Range[] | null): void;
}

/** `moved` is called while a handle is dragged, `settled` when it is let go. */
export function histogram(moved: () => void, settled: () => void): Histogram {
  const canvas = by<HTMLCanvasElement>("histogram");
  let bands: Statistics[string][] = [];
  let ranges: readonly Range[] = [];
  let span: Range = [0, 1];

  const width = (): number => canvas.getBoundingClientRect().width - 2 * MARGIN;
  const x = (value: number): number => ((value - span[0]) / (span[1] - span[0] || 1)) * width() + MARGIN;
  const value = (at: number): number => span[0] + ((at - MARGIN) / (width() || 1)) * (span[1] - span[0]);

  const paint = (): void => {
    const ratio = window.devicePixelRatio || 1;
    const { width: wide, height: tall } = canvas.getBoundingClientRect();
    canvas.width = wide * ratio;
    canvas.height = tall * ratio;
    const context = canvas.getContext("2d");
    if (!context || !bands.length) return;
    context.scale(ratio, ratio);
    columns(context, bands, x, tall);
    const style = getComputedStyle(canvas);
    ranges.forEach((range, band) => {
      context.strokeStyle = context.fillStyle = ranges.length === 3 ? (COLOURS[band] ?? "") : style.color;
      for (const at of range.map(x)) {
        context.beginPath();
        context.moveTo(at, 2);
        context.lineTo(at, tall - 2);
        context.stroke();
        context.fillRect(at - 3, tall / 2 - 7, 6, 14);
      }
    });
  };

  /** The handle nearest to a place: [range, end], or null. */
  const handle = (at: number): [Range, 0 | 1] | null => {
    const all = ranges.flatMap((range): [Range, 0 | 1][] => [
      [range, 0],
      [range, 1],
    ]);
    const distance = ([range, end]: [Range, 0 | 1]): number => Math.abs(x(range[end]) - at);
    const [nearest] = all.sort((one, other) => distance(one) - distance(other));
    return nearest && distance(nearest) < 14 ? nearest : null;
  };

  const place = (event: PointerEvent): number => event.clientX - canvas.getBoundingClientRect().left;
  let held: [Range, 0 | 1] | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = handle(place(event));
    if (held) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) {
      canvas.style.cursor = handle(place(event)) ? "ew-resize" : "";
      return;
    }
    const [range, end] = held;
    const wanted = tidy(value(place(event)));
    const step = (span[1] - span[0]) / 1000;
    range[end] = end ? Math.max(wanted, range[0] + step) : Math.min(wanted, range[1] - step);
    paint();
    moved();
  });
  const release = (): void => {
    if (held) settled();
    held = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  window.addEventListener("resize", paint);

  return {
    draw(statistics, shown) {
      bands = Object.values(statistics);
      ranges = shown ?? [];
      if (!bands.length) return;
      const low = Math.min(...bands.map(({ histogram: [, edges] }) => edges[0] ?? 0), ...ranges.map(([from]) => from));
      const high = Math.max(...bands.map(({ histogram: [, edges] }) => edges.at(-1) ?? 1), ...ranges.map(([, to]) => to));
      span = [low, high];
      canvas.setAttribute("aria-label", `Histogram from ${short(low)} to ${short(high)}`);
      paint();
    },
  };
}

/** Draws the counts of bands. */
function columns(
  context: CanvasRenderingContext2D,
  bands: readonly Statistics[string][],
  x: (value: number) => number,
  tall: number,
): void {
  const most = Math.max(1, ...bands.map(({ histogram: [counts] }) => Math.max(...counts)));
  const accent = getComputedStyle(context.canvas).getPropertyValue("--accent");
  bands.forEach(({ histogram: [counts, edges] }, band) => {
    context.fillStyle = bands.length > 1 ? `${COLOURS[band % COLOURS.length]}99` : accent;
    counts.forEach((count, bin) => {
      // Square roots, so that few pixels can be seen beside very many.
      const high = Math.sqrt(count / most) * (tall - 8);
      const left = x(edges[bin] ?? 0);
      context.fillRect(left, tall - 4 - high, Math.max(1, x(edges[bin + 1] ?? 0) - left - 0.5), high);
    });
  });
}

/** A histogram without handles. */
export function bars(canvas: HTMLCanvasElement, bands: readonly Statistics[string][]): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const edges = bands.flatMap(({ histogram: [, found] }) => [found[0] ?? 0, found.at(-1) ?? 1]);
  const [low, high] = [Math.min(...edges), Math.max(...edges)];
  columns(context, bands, (value) => ((value - low) / (high - low || 1)) * (canvas.width - 8) + 4, canvas.height);
}

export const tidy = (value: number | null | undefined): number => Number(Number(value ?? 0).toPrecision(5));

/** Fields for the ends of the ranges: what the handles do, by keyboard. */
export function rangeFields(ranges: readonly Range[] | null, labels: readonly string[], changed: () => void): void {
  const rows = (ranges ?? []).map((range, index) => {
    const inputs = ([0, 1] as const).map((end) => {
      const input = element("input", {
        type: "number",
        step: "any",
        value: String(range[end]),
        ariaLabel: `${labels[index] ?? "Range"}, ${end ? "highest" : "lowest"} value`,
      });
      input.addEventListener("change", () => {
        if (Number.isFinite(input.valueAsNumber)) range[end] = input.valueAsNumber;
        changed();
      });
      return input;
    });
    return element("div", { className: "field" }, element("div", { className: "row" }, ...inputs));
  });
  by("ranges").replaceChildren(...rows);
}
