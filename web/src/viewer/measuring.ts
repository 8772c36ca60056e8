// Statistics of a line or an area that is drawn on the map, and the values along a line.
import type { Map as MapLibreMap } from "maplibre-gl";
import { by, element } from "../dom";
import { type Drawing, type Drawn, draw, erase, type Kind, kindOf, least, mark } from "../map/draw";
import { json, messageOf, type Params } from "../page";
import { isKept, keepDrawn, keptDrawn } from "./drawn";
import { alongLine, type LineProfile } from "./line-profile";
import type { Measured } from "./measure";
import type { Statistics } from "./raster";
import { statisticsOf } from "./statistics";

const TITLES: Readonly<Record<Kind, string>> = { line: "Values along a line", area: "Statistics of an area" };
const WORDS: Readonly<Record<Kind, string>> = {
  line: "Click along the line, and its last point again at the end.",
  area: "Click the corners of the area, and the first one again at the end.",
};
const KEYS = "By keyboard, on the map: arrows move it, Space adds its middle, Backspace takes a point away, Enter ends.";
/** Pixels along the longest side of what is counted. */
const COUNTED = 2048;

/** What is said when somebody wants to end too early. */
function wanting(kind: Kind, missing: number): string {
  const [whole, part] = kind === "line" ? ["A line", "point"] : ["An area", "corner"];
  return `${whole} needs ${least(kind)} ${part}s at least: ${missing} more.`;
}

export interface Measuring {
  begin(kind: Kind): void;
  isDrawing(): boolean;
  /** Asks again, as for other bands. */
  again(): void;
  /** Shows what the page's address holds, and nothing where it holds nothing. */
  recall(): void;
  close(): void;
}

export function startMeasuring(map: MapLibreMap, { base, values, algorithm }: Measured): Measuring {
  const panel = by("measure");
  let drawing: Drawing | null = null;
  let drawn: Drawn | null = null;
  let asked = 0;

  const clear = (): void => {
    asked += 1;
    drawing?.cancel();
    drawn = null;
    panel.hidden = true;
    erase(map);
  };
  const close = (): void => {
    clear();
    keepDrawn(null);
  };
  const fill = (kind: Kind, ...content: (Node | null)[]): void => {
    const away = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
    away.addEventListener("click", close);
    const title = TITLES[kind];
    panel.ariaLabel = title;
    panel.replaceChildren(element("header", {}, element("h2", {}, title), away), ...content.filter((part) => part !== null));
    panel.hidden = false;
  };
  const measure = async (): Promise<void> => {
    if (!drawn) return;
    const shape = drawn;
    const kind = kindOf(shape.geometry);
    const ticket = ++asked;
    fill(kind, element("p", {}, "Measuring…"));
    const post = <Body>(path: string, params: Params): Promise<Body> =>
      json<Body>(path, params, { method: "POST", body: JSON.stringify(shape), headers: { "Content-Type": "application/json" } });
    const counting: Params = [["histogram_bins", 48], ["max_size", COUNTED]];
    try {
      const [{ properties }, along] = await Promise.all([
        post<{ properties: { statistics: Statistics } }>(`${base}/statistics`, [
          ...values(),
          ...(kind === "area" ? algorithm() : []),
          ...counting,
        ]),
        kind === "line" ? post<{ properties: { profile: LineProfile } }>(`${base}/profile`, values()) : null,
      ]);
      if (ticket !== asked) return;
      const without = kind === "line" && algorithm().length ? element("p", { className: "soft" }, "Without the algorithm.") : null;
      fill(kind, without, ...(along ? alongLine(map, shape, along.properties.profile) : []), ...statisticsOf(properties.statistics, kind));
    } catch (error) {
      if (ticket === asked) fill(kind, element("p", {}, messageOf(error)));
    }
  };
  const begin = (kind: Kind): void => {
    close();
    const [finish, add, undo] = ["Finish", "Add the middle", "Undo"].map((text) => element("button", { type: "button" }, text)) as [
      HTMLButtonElement,
      HTMLButtonElement,
      HTMLButtonElement,
    ];
    const missed = element("p", { role: "status", className: "missed" });
    fill(kind, element("p", {}, WORDS[kind]), element("p", { className: "soft keys" }, KEYS), missed, element("div", { className: "row" }, add, undo, finish));
    drawing = draw(map, kind, {
      changed: (corners) => {
        missed.textContent = "";
        finish.disabled = corners < least(kind);
        undo.disabled = corners === 0;
      },
      tooFew: (missing) => (missed.textContent = wanting(kind, missing)),
      done: (found) => {
        drawing = null;
        drawn = found;
        keepDrawn(found);
        if (found) void measure();
        else panel.hidden = true;
      },
    });
    const { add: put, undo: back, finish: end } = drawing;
    add.addEventListener("click", put);
    undo.addEventListener("click", back);
    finish.addEventListener("click", end);
    map.getCanvas().focus();
  };
  const recall = (): void => {
    if (isKept(drawn)) return;
    const kept = keptDrawn();
    clear();
    drawn = kept;
    keepDrawn(kept);
    if (kept) mark(map, kept, null);
    void measure();
  };
  return { begin, isDrawing: () => drawing !== null, again: () => void measure(), recall, close };
}
