// Drawing a line or an area on a map: by pointer and touch, or by keyboard with the map's middle as the pen.
import type { Feature, LineString, Polygon, Position } from "geojson";
import type { GeoJSONSource, Map as MapLibreMap, MapMouseEvent } from "maplibre-gl";
import { element } from "../dom";

export type Kind = "line" | "area";
export type Drawn = Feature<LineString | Polygon>;

const SOURCE = "drawn";
const LAYERS = ["drawn:fill", "drawn:line", "drawn:points"];
const COLOUR = "#e4572e";
/** Pixels around a corner within which a click is meant for it. */
const NEAR = 14;
/** Digits of degrees behind the point, as an address has them too: a centimetre. */
const DIGITS = 7;

export interface Drawing {
  /** Adds the middle of the map. */
  add(): void;
  /** Takes the last corner away. */
  undo(): void;
  /** Ends with what was drawn, if there are corners enough. */
  finish(): void;
  cancel(): void;
}

export interface Told {
  /** How many corners there are now. */
  changed(corners: number): void;
  /** Somebody wants to end, and so many corners are missing. */
  tooFew(missing: number): void;
  /** What was drawn, or null when it was given up. */
  done(drawn: Drawn | null): void;
}

/** Corners that a drawing needs at least. */
export const least = (kind: Kind): number => (kind === "line" ? 2 : 3);

export const kindOf = ({ type }: Drawn["geometry"]): Kind => (type === "Polygon" ? "area" : "line");

/** Lets somebody draw. */
export function draw(map: MapLibreMap, kind: Kind, { changed, tooFew, done }: Told): Drawing {
  const corners: Position[] = [];
  const canvas = map.getCanvas();
  const pen = element("div", { className: "pen", ariaHidden: "true", hidden: true });
  map.getContainer().append(pen);
  canvas.style.cursor = "crosshair";
  map.doubleClickZoom.disable();

  const redraw = (): void => {
    show(map, corners.length > 1 ? [drawnFrom("line", corners), points(corners)] : [points(corners)]);
    changed(corners.length);
  };
  const put = (given: Position): void => {
    const position = given.map((value) => Number(value.toFixed(DIGITS)));
    if (String(position) === String(corners.at(-1))) return;
    corners.push(position);
    redraw();
  };
  const undo = (): void => {
    corners.pop();
    redraw();
  };
  const click = ({ lngLat, point }: MapMouseEvent): void => {
    const end = kind === "line" ? corners.at(-1) : corners[0];
    const at = end && map.project(end as [number, number]);
    if (at && corners.length >= least(kind) && Math.hypot(at.x - point.x, at.y - point.y) < NEAR) return finish();
    put([lngLat.lng, lngLat.lat]);
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") return end(null);
    if (event.target !== canvas) return;
    pen.hidden = false;
    if (event.key === "Enter") finish();
    else if (event.key === " ") put(map.getCenter().toArray());
    else if (event.key === "Backspace") undo();
    else return;
    event.preventDefault();
  };
  const end = (drawn: Drawn | null): void => {
    map.off("click", click);
    map.off("dblclick", finish);
    document.removeEventListener("keydown", key);
    canvas.style.cursor = "";
    pen.remove();
    // after the double click that may have ended this
    setTimeout(() => map.doubleClickZoom.enable(), 300);
    if (drawn) show(map, [drawn]);
    else erase(map);
    done(drawn);
  };
  const finish = (): void => {
    const missing = least(kind) - corners.length;
    if (missing > 0) tooFew(missing);
    else end(drawnFrom(kind, corners));
  };
  map.on("click", click);
  map.on("dblclick", finish);
  document.addEventListener("keydown", key);
  redraw();
  const add = (): void => {
    pen.hidden = false;
    put(map.getCenter().toArray());
  };
  return { add, undo, finish, cancel: () => end(null) };
}

/** Takes what was drawn off the map. */
export function erase(map: MapLibreMap): void {
  for (const layer of LAYERS) if (map.getLayer(layer)) map.removeLayer(layer);
  if (map.getSource(SOURCE)) map.removeSource(SOURCE);
}

/** Marks a position on what was drawn; null takes the mark away. */
export function mark(map: MapLibreMap, drawn: Drawn, position: Position | null): void {
  show(map, position ? [drawn, points([position])] : [drawn]);
}

/** What these corners make. */
export function drawnFrom(kind: Kind, corners: readonly Position[]): Drawn {
  const geometry: LineString | Polygon =
    kind === "line"
      ? { type: "LineString", coordinates: [...corners] }
      : { type: "Polygon", coordinates: [[...corners, corners[0] ?? []]] };
  return { type: "Feature", properties: {}, geometry };
}

const points = (positions: readonly Position[]): Feature => ({
  type: "Feature",
  properties: {},
  geometry: { type: "MultiPoint", coordinates: [...positions] },
});

function show(map: MapLibreMap, features: Feature[]): void {
  const data = { type: "FeatureCollection" as const, features };
  const source = map.getSource<GeoJSONSource>(SOURCE);
  if (source) return void source.setData(data);
  map.addSource(SOURCE, { type: "geojson", data });
  map.addLayer({
    id: "drawn:fill",
    type: "fill",
    source: SOURCE,
    filter: ["==", ["geometry-type"], "Polygon"],
    paint: { "fill-color": COLOUR, "fill-opacity": 0.15 },
  });
  map.addLayer({ id: "drawn:line", type: "line", source: SOURCE, paint: { "line-color": COLOUR, "line-width": 2 } });
  map.addLayer({
    id: "drawn:points",
    type: "circle",
    source: SOURCE,
    filter: ["==", ["geometry-type"], "Point"],
    paint: { "circle-color": "#fff", "circle-radius": 4, "circle-stroke-color": COLOUR, "circle-stroke-width": 2 },
  });
}
