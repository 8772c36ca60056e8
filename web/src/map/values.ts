// The values of rasters at a point.
import { element, short } from "../dom";

export interface PointValues {
  readonly values: (number | null)[];
  readonly band_names: string[];
  readonly band_descriptions?: string[];
  readonly name?: string;
}

/** A mosaic tells of each of its rasters. */
export type PointAnswer = PointValues | { readonly assets?: PointValues[] };

export const ofPoint = (answer: PointAnswer): readonly PointValues[] => ("values" in answer ? [answer] : (answer.assets ?? []));

/** A table of one raster's values. */
export function valueTable({ values, band_names: bands, band_descriptions: texts, name }: PointValues): HTMLTableElement {
  const heading = name ? [element("tr", {}, element("th", { colSpan: 2 }, name.split("?")[0]?.split("/").pop()))] : [];
  const rows = values.map((value, band) => {
    const text = texts?.[band];
    const said = text && text !== bands[band] ? element("span", { className: "soft" }, ` ${text}`) : null;
    return element("tr", {}, element("th", { scope: "row" }, bands[band], said), element("td", {}, short(value)));
  });
  return element("table", {}, element("tbody", {}, ...heading, ...rows));
}
