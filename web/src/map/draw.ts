// Drawing a polygon on a map: by pointer and touch, or by keyboard with the map's middle as the pen.
import type { GeoJSONSource, Map as MapLibreMap, MapMouseEvent } from "maplibre-gl";
import type { Feature, Polygon, Position } from "geojson";

const SOURCE = "drawn";

export interface Drawing {
  /** Adds the middle of the map. */
  add(): void;
  /** Ends with the polygon, if there are three points. */
  finish(): void;
  cancel(): void;
}

/** Lets somebody draw; `done` gets the polygon, or null when it was given up. */
export function draw(map: MapLibreMap, changed: (points: number) => void, done: (polygon: Feature<Polygon> | null) => void): Drawing {
  const points: Position[] = [];
  show(map, points);
  map.getCanvas().style.cursor = "crosshair";
  map.doubleClickZoom.disable();

  const put = (position: Position): void => {
    points.push(position);
    show(map, points);
    changed(points.length);
  };
  const click = ({ lngLat, point }: MapMouseEvent): void => {
    const first = points[0] && map.project(points[0] as [number, number]);
    if (first && points.length >= 3 && Math.hypot(first.x - point.x, first.y - point.y) < 14) return finish();
    put([lngLat.lng, lngLat.lat]);
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") end(null);
    else if (event.key === "Enter" && event.target === map.getCanvas()) finish();
  };
  const end = (polygon: Feature<Polygon> | null): void => {
    map.off("click", click);
    map.off("dblclick", finish);
    document.removeEventListener("keydown", key);
    map.getCanvas().style.cursor = "";
    // after the double click that may have ended this
    setTimeout(() => map.doubleClickZoom.enable(), 300);
    if (!polygon) erase(map);
    done(polygon);
  };
  const finish = (): void => {
    const distinct = points.filter((point, index) => String(point) !== String(points[index - 1]));
    if (distinct.length < 3) return;
    show(map, distinct, true);
    end(polygonOf(distinct));
  };
  map.on("click", click);
  map.on("dblclick", finish);
  document.addEventListener("keydown", key);
  return { add: () => put(map.getCenter().toArray()), finish, cancel: () => end(null) };
}

/** Takes what was drawn off the map. */
export function erase(map: MapLibreMap): void {
  for (const layer of ["drawn:fill", "drawn:line", "drawn:points"]) if (map.getLayer(layer)) map.removeLayer(layer);
  if (map.getSource(SOURCE)) map.removeSource(SOURCE);
}

const polygonOf = (points: readonly Position[]): Feature<Polygon> => ({
  type: "Feature",
  properties: {},
  geometry: { type: "Polygon", coordinates: [[...points, points[0] ?? []]] },
});

function show(map: MapLibreMap, points: readonly Position[], whole = false): void {
  const line: Feature = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: [...points] } };
  const corners: Feature = { type: "Feature", properties: {}, geometry: { type: "MultiPoint", coordinates: [...points] } };
  const features = whole ? [polygonOf(points)] : points.length > 1 ? [line, corners] : [corners];
  const data = { type: "FeatureCollection" as const, features };
  const source = map.getSource<GeoJSONSource>(SOURCE);
  if (source) return void source.setData(data);
  map.addSource(SOURCE, { type: "geojson", data });
  const colour = "#e4572e";
  map.addLayer({
    id: "drawn:fill",
    type: "fill",
    source: SOURCE,
    filter: ["==", ["geometry-type"], "Polygon"],
    paint: { "fill-color": colour, "fill-opacity": 0.15 },
  });
  map.addLayer({ id: "drawn:line", type: "line", source: SOURCE, paint: { "line-color": colour, "line-width": 2 } });
  map.addLayer({
    id: "drawn:points",
    type: "circle",
    source: SOURCE,
    filter: ["==", ["geometry-type"], "Point"],
    paint: { "circle-color": "#fff", "circle-radius": 4, "circle-stroke-color": colour, "circle-stroke-width": 2 },
  });
}
