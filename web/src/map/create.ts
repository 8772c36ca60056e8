// A MapLibre map in `#map` with its basemap and the usual controls.
import type { IControl, Map as MapLibreMap, MapOptions } from "maplibre-gl";
import { dress, firstStyle, followTheme, type Lines, place } from "../basemap/basemap";
import { element, note } from "../dom";
import { basemap, messageOf } from "../page";
import { inHash, keepInHash, keepPosition, keptPosition } from "./hash";

export type Library = typeof import("maplibre-gl");

/** MapLibre. The page fetches it at once, but to run it keeps the browser from all else for a while. */
const library = (): Promise<Library> => import("maplibre-gl");

export interface Made {
  readonly map: MapLibreMap;
  readonly lib: Library;
  /** Puts the basemap on the map, when the rasters that are on it are drawn. */
  readonly dress: () => void;
}

export const hasWebGL = (): boolean => {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
};

/** A map whose style is there, so that rasters can be put on it; `keeps` says that the page's address has its position. */
export async function createMap(options: Partial<MapOptions> = {}, keeps = false): Promise<Made> {
  const [lib, { style, failed }] = await Promise.all([library(), firstStyle()]);
  const map = new lib.Map({
    container: "map",
    style,
    attributionControl: { compact: true },
    maxPitch: 60,
    maxZoom: 24,
    ...options,
    ...(keeps ? keptPosition() : {}),
  });
  if (keeps) keepPosition(map);
  map.addControl(new lib.NavigationControl({ visualizePitch: true }), "top-right");
  map.addControl(new lib.ScaleControl(), "bottom-left");
  map.keyboard.enable();
  await new Promise((done) => map.once("style.load", done));
  if (failed) note(failed);
  followTheme(map);
  const lines = new LinesControl();
  const dressed = async (): Promise<void> => {
    await drawn(map);
    await dress(map, lines.lines);
    if (basemap.kind === "world") map.addControl(lines, "top-right");
  };
  return { map, lib, dress: () => void dressed().catch((error: unknown) => note(messageOf(error))) };
}

/** Waits until all that was asked for is drawn, two seconds at most. */
const drawn = (map: MapLibreMap): Promise<void> =>
  new Promise((done) => {
    if (map.loaded() && map.areTilesLoaded()) return done();
    map.once("idle", () => done());
    setTimeout(done, 2000);
  });

const WAYS: Readonly<Record<Lines, { next: Lines; title: string }>> = {
  over: { next: "under", title: "Coasts, borders and names: over the rasters" },
  under: { next: "off", title: "Coasts, borders and names: under the rasters" },
  off: { next: "over", title: "Coasts, borders and names: hidden" },
};

/** A button that puts coasts, borders and names over the rasters, under them, or away. Kept in the page's address. */
class LinesControl implements IControl {
  lines: Lines;
  private box: HTMLElement | null = null;

  constructor() {
    const kept = inHash("lines");
    this.lines = kept === "under" || kept === "off" ? kept : "over";
  }

  onAdd(map: MapLibreMap): HTMLElement {
    const button = element("button", { type: "button", className: "lines-control" });
    const write = (): void => {
      button.title = WAYS[this.lines].title;
      button.ariaLabel = WAYS[this.lines].title;
      button.dataset.lines = this.lines;
    };
    button.addEventListener("click", () => {
      this.lines = WAYS[this.lines].next;
      place(map, this.lines);
      write();
      keepInHash("lines", this.lines === "over" ? null : this.lines);
    });
    write();
    this.box = element("div", { className: "maplibregl-ctrl maplibregl-ctrl-group" }, button);
    return this.box;
  }

  onRemove(): void {
    this.box?.remove();
  }
}
