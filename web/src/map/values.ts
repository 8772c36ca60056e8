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

/** What a value of a band is called; bands are counted from 0. */
export type Naming = (value: number, band: number) => string | undefined;

/** A table of one raster's values, with the names of those that have one. */
export function valueTable({ values, band_names: bands, band_descriptions: texts, name }: PointValues, called?: Naming): HTMLTableElement {
  const heading = name ? [element("tr", {}, element("th", { colSpan: 2 }, name.split("?")[0]?.split("/").pop()))] : [];
  const className = (value: number | null, band: number): HTMLElement | null => {
    const found = value == null ? undefined : called?.(value, band);
    return found ? element("span", { className: "class-name" }, ` ${found}`) : null;
  };
  const rows = values.map((value, band) => {
    const text = texts?.[band];
    const said = text && text !== bands[band] ? element("span", { className: "soft" }, ` ${text}`) : null;
    return element("tr", {}, element("th", { scope: "row" }, bands[band], said), element("td", {}, short(value), className(value, band)));
  });
  return element("table", {}, element("tbody", {}, ...heading, ...rows));
}
