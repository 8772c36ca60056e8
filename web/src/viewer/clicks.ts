// The values of all bands where somebody clicks on the map.
import type { MapMouseEvent } from "maplibre-gl";
import { element } from "../dom";
import { classNames } from "../legend";
import type { Made } from "../map/create";
import { keepInView } from "../map/in-view";
import type { Naming } from "../map/values";
import { messageOf, type Params } from "../page";
import { type Choice, legendParams, sourceParams } from "./choice";
import type { Info } from "./raster";
import type { Asking } from "./without-place";

export interface Clicked {
  readonly base: string;
  readonly choice: Choice;
  readonly info: Info;
  readonly mostBands: number;
  /** Whether one band is shown as it is. */
  readonly isAlone: boolean;
  /** All that decides how tiles look. */
  readonly rendering: Params;
}

/** What a click asks for: the values of all bands, and before them what is calculated of them. */
export function askingOf(clicked: Clicked): Asking {
  const { base, choice, info, mostBands } = clicked;
  const { nodata, unscale, mode, expression } = choice;
  const source: Params = [...sourceParams(choice), ["nodata", nodata], ["unscale", unscale ? "true" : ""]];
  return { base, source, expression: mode === "expression" ? expression : "", info, mostBands, naming: naming(clicked) };
}

/** What values are called: as the legend has it in the band that is shown, and as the raster says it in all. */
async function naming({ base, choice, info, isAlone, rendering }: Clicked): Promise<Naming> {
  const shown = isAlone ? (choice.bands[0] ?? 1) - 1 : null;
  const names = shown == null ? {} : await classNames(base, [...rendering, ...legendParams(choice)]);
  return (value, band) => (band === shown ? names[String(value)] : undefined) ?? info.class_names?.[`b${band + 1}`]?.[String(value)];
}

/** The values of all bands at a point, in a popup. */
export async function showValues({ map, lib }: Made, { lngLat }: MapMouseEvent, clicked: Clicked): Promise<void> {
  const { lng, lat } = lngLat.wrap();
  const popup = new lib.Popup({ maxWidth: "none", focusAfterOpen: false }).setLngLat(lngLat).setDOMContent(element("p", { className: "values" }, "…")).addTo(map);
  const where = element("span", { className: "soft" }, `${lat.toFixed(5)}°, ${lng.toFixed(5)}°`);
  const content = element("div", { className: "values" }, where);
  try {
    const { spectrum } = await import("./spectrum");
    content.append(...(await spectrum({ ...askingOf(clicked), longitude: lng, latitude: lat })));
  } catch (error) {
    content.append(element("p", {}, messageOf(error)));
  }
  popup.setDOMContent(content);
  keepInView(map, popup.getElement());
}
