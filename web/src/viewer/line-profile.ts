// The values along a line as a plot by distance, whose place is marked on the map, and as CSV.
import type { Map as MapLibreMap } from "maplibre-gl";
import type { Position } from "geojson";
import { csvLinks } from "../csv";
import { element, short } from "../dom";
import { type Drawn, mark } from "../map/draw";
import { plot } from "../plot";

/** What `/profile` answers. */
export interface LineProfile {
  readonly length: number;
  readonly unit: "m" | null;
  readonly distances: readonly number[];
  readonly coordinates: readonly Position[];
  /** Of each band, at each distance. */
  readonly values: readonly (readonly (number | null)[])[];
  readonly band_names: readonly string[];
  readonly band_descriptions: readonly string[];
}

export function alongLine(map: MapLibreMap, drawn: Drawn, profile: LineProfile): Node[] {
  const { length, distances, coordinates, values, band_names: names, band_descriptions: texts } = profile;
  const kilometres = length >= 10_000;
  const [unit, times] = kilometres ? ["km", 0.001] : ["m", 1];
  const said = (distance: number): string => `${short(Number((distance * times).toPrecision(4)))} ${unit}`;
  const bands = names.map((name, band) => (texts[band] && texts[band] !== name ? `${name} ${texts[band]}` : name));
  return [
    element("p", {}, `Length: ${said(length)}`),
    plot({
      label: `Values along a line of ${said(length)}`,
      x: distances.map((distance) => distance * times),
      series: values.map((found, band) => ({ name: bands[band] ?? "", values: found })),
      xTitle: `Distance in ${unit}`,
      xText: (index) => said(distances[index] ?? 0),
      xTicks: true,
      pointed: (index) => mark(map, drawn, index == null ? null : (coordinates[index] ?? null)),
    }),
    csvLinks(
      [
        ["distance_m", "longitude", "latitude", ...bands],
        ...distances.map((distance, index) => [
          Number(distance.toFixed(3)),
          ...(coordinates[index] ?? []).map((value) => Number(value.toFixed(7))),
          ...values.map((found) => found[index]),
        ]),
      ],
      "profile.csv",
    ),
  ];
}
