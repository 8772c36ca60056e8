// What lies under the rasters and over them. Rasters go below the layer `RASTERS_BELOW`.
import type { LayerSpecification, StyleSpecification } from "maplibre-gl";
import { graticule } from "./graticule";

/** Rasters are put below this layer, and what lies over them above it. */
export const RASTERS_BELOW = "base:over";

interface Colours {
  readonly ground: string;
  readonly land: string;
  readonly grid: string;
  readonly line: string;
  readonly halo: string;
  readonly name: string;
  readonly around: string;
}

const LIGHT: Colours = {
  ground: "#d9e4e8",
  land: "#f3f2ee",
  grid: "#b9c8ce",
  line: "rgb(20 38 45 / 62%)",
  halo: "rgb(255 255 255 / 45%)",
  name: "#1d3038",
  around: "rgb(255 255 255 / 85%)",
};
const DARK: Colours = {
  ground: "#17242b",
  land: "#26353d",
  grid: "#3a4d57",
  line: "rgb(226 236 240 / 62%)",
  halo: "rgb(8 16 20 / 45%)",
  name: "#e6eef1",
  around: "rgb(8 16 20 / 80%)",
};

const colours = (dark: boolean): Colours => (dark ? DARK : LIGHT);

/** The ground with meridians and parallels: there at once, without a request. */
export function ground(dark: boolean): StyleSpecification {
  const { ground: plain, grid: line } = colours(dark);
  return {
    version: 8,
    sky: { "atmosphere-blend": ["interpolate", ["linear"], ["zoom"], 0, 0.9, 5, 0.9, 7, 0] },
    sources: {
      "base:coarse": { type: "geojson", data: graticule(30) },
      "base:fine": { type: "geojson", data: graticule(5) },
    },
    layers: [
      { id: "base:ground", type: "background", paint: { "background-color": plain } },
      {
        id: "base:fine",
        type: "line",
        source: "base:fine",
        minzoom: 3,
        paint: { "line-color": line, "line-width": 0.5 },
      },
      {
        id: "base:coarse",
        type: "line",
        source: "base:coarse",
        paint: { "line-color": line, "line-width": 0.8 },
      },
      { id: RASTERS_BELOW, type: "background", layout: { visibility: "none" } },
    ],
  };
}

/** Land, which lies under the rasters. Coarse lines are no use at large scales, where they fade. */
export const landLayer = (dark: boolean): LayerSpecification => ({
  id: "base:land",
  type: "fill",
  source: "base:land",
  paint: { "fill-color": colours(dark).land, "fill-antialias": false },
});

const faded = (width: number): ["interpolate", ["linear"], ["zoom"], ...number[]] => [
  "interpolate",
  ["linear"],
  ["zoom"],
  0,
  width * 0.7,
  6,
  width * 1.4,
];

/** Coasts, borders and names. */
export function overLayers(dark: boolean): LayerSpecification[] {
  const { line, halo, name, around } = colours(dark);
  const strokes = (["coasts", "borders"] as const).flatMap((source): LayerSpecification[] => [
    {
      id: `base:${source}-halo`,
      type: "line",
      source: `base:${source}`,
      layout: { "line-join": "round" },
      paint: { "line-color": halo, "line-width": faded(2.4) },
    },
    {
      id: `base:${source}`,
      type: "line",
      source: `base:${source}`,
      layout: { "line-join": "round" },
      paint: {
        "line-color": line,
        "line-width": faded(source === "coasts" ? 0.9 : 0.7),
        ...(source === "borders" ? { "line-dasharray": [3, 2] } : {}),
      },
    },
  ]);
  const text = { "text-color": name, "text-halo-color": around, "text-halo-width": 1.4 };
  return [
    ...strokes,
    {
      id: "base:dots",
      type: "circle",
      source: "base:names",
      minzoom: 3.5,
      filter: ["==", ["get", "kind"], "place"],
      paint: { "circle-radius": 2.5, "circle-color": name, "circle-stroke-color": halo, "circle-stroke-width": 1.5 },
    },
    {
      id: "base:places",
      type: "symbol",
      source: "base:names",
      minzoom: 3.5,
      filter: ["==", ["get", "kind"], "place"],
      layout: {
        "text-field": ["get", "name"],
        "text-font": ["system-ui"],
        "text-size": 12,
        "text-variable-anchor": ["left", "right", "top", "bottom"],
        "text-radial-offset": 0.5,
      },
      paint: text,
    },
    {
      id: "base:countries",
      type: "symbol",
      source: "base:names",
      maxzoom: 8,
      filter: ["all", ["==", ["get", "kind"], "country"], ["<=", ["get", "zoom"], ["zoom"]]],
      layout: {
        "text-field": ["get", "name"],
        "text-font": ["system-ui"],
        "text-size": ["interpolate", ["linear"], ["get", "area"], 10, 11, 1000, 15],
        "text-letter-spacing": 0.06,
        "text-max-width": 7,
        "symbol-sort-key": ["-", ["get", "area"]],
      },
      paint: text,
    },
  ];
}

/** Paints what is on the map in the colours of the other theme: [layer, property, value]. */
export function repaint(dark: boolean): [string, string, string][] {
  const { ground: plain, land, grid, line, halo, name, around } = colours(dark);
  const text = ["base:places", "base:countries"];
  return [
    ["base:ground", "background-color", plain],
    ["base:land", "fill-color", land],
    ["base:fine", "line-color", grid],
    ["base:coarse", "line-color", grid],
    ...["coasts", "borders"].flatMap((source): [string, string, string][] => [
      [`base:${source}`, "line-color", line],
      [`base:${source}-halo`, "line-color", halo],
    ]),
    ["base:dots", "circle-color", name],
    ["base:dots", "circle-stroke-color", halo],
    ...text.flatMap((layer): [string, string, string][] => [
      [layer, "text-color", name],
      [layer, "text-halo-color", around],
    ]),
  ];
}
