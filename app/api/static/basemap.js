// A MapLibre map that needs nothing from the net: a plain ground and the graticule.
import * as maplibre from "./vendor/maplibre-gl/maplibre-gl.mjs";

export { maplibre };

function graticule(step) {
  const lines = [];
  for (let longitude = -180; longitude < 180; longitude += step) {
    const points = [];
    for (let latitude = -90; latitude <= 90; latitude += 2) points.push([longitude, latitude]);
    lines.push(points);
  }
  for (let latitude = -90 + step; latitude < 90; latitude += step) {
    const points = [];
    for (let longitude = -180; longitude <= 180; longitude += 2) points.push([longitude, latitude]);
    lines.push(points);
  }
  return { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } };
}

const style = {
  version: 8,
  sky: { "atmosphere-blend": ["interpolate", ["linear"], ["zoom"], 0, 0.9, 5, 0.9, 7, 0] },
  sources: {
    coarse: { type: "geojson", data: graticule(30) },
    fine: { type: "geojson", data: graticule(5) },
  },
  layers: [
    { id: "ground", type: "background", paint: { "background-color": "#dfe8eb" } },
    { id: "fine", type: "line", source: "fine", minzoom: 3, paint: { "line-color": "#c3d0d5", "line-width": 0.5 } },
    { id: "coarse", type: "line", source: "coarse", paint: { "line-color": "#b3c3c9", "line-width": 0.8 } },
  ],
};

/** A map in `#map` with the usual controls, or null where the browser has no WebGL. */
export function makeMap(options = {}) {
  try {
    const map = new maplibre.Map({
      container: "map",
      style,
      attributionControl: { compact: true },
      maxPitch: 60,
      ...options,
    });
    map.addControl(new maplibre.NavigationControl({ visualizePitch: true }), "top-right");
    map.addControl(new maplibre.ScaleControl(), "bottom-left");
    map.keyboard.enable();
    return map;
  } catch (error) {
    console.warn(error);
    return null;
  }
}

/** Keeps the readout at the bottom up to date: position and zoom. */
export function followPosition(map) {
  const readout = document.getElementById("readout").appendChild(document.createElement("span"));
  let at = null;
  const write = () => {
    const { lng, lat } = at ?? map.getCenter();
    const longitude = ((((lng + 180) % 360) + 360) % 360) - 180;
    readout.textContent = `${lat.toFixed(4)}°  ${longitude.toFixed(4)}°  zoom ${map.getZoom().toFixed(1)}`;
  };
  map.on("mousemove", (event) => {
    at = event.lngLat;
    write();
  });
  map.on("mouseout", () => {
    at = null;
    write();
  });
  map.on("move", write);
  write();
}

/** West, south, east, north as MapLibre takes them: east beyond 180 where they cross the antimeridian. */
export function fitTo(map, bounds, options = {}) {
  const [west, south, east, north] = bounds;
  map.fitBounds(
    [
      [west, Math.max(south, -85)],
      [west > east ? east + 360 : east, Math.min(north, 85)],
    ],
    { padding: 40, duration: 0, maxZoom: 17, ...options },
  );
}
