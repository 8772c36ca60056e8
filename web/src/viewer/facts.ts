// The list of facts about a raster.
import { by, element, short } from "../dom";
import type { Opened } from "./raster";

export function facts({ info, place }: Opened): void {
  const crs = String(info.crs ?? "none").replace(/^https?:\/\/www\.opengis\.net\/def\/crs\/(\w+)\/[^/]+\//, "$1:");
  const rows: [string, string][] = [
    ["Size", `${info.width} × ${info.height} pixels, ${info.count} ${info.count === 1 ? "band" : "bands"}`],
    ["Values", info.dtype],
    ["CRS", crs.slice(0, 80)],
    ["No data", info.nodata_type === "Nodata" ? short(info.nodata_value) : info.nodata_type],
    ["Overviews", info.overviews?.length ? info.overviews.join(", ") : "none"],
    ...(typeof place === "string" ? [] : [["Zooms", `${place.minzoom} – ${place.maxzoom}`] as [string, string]]),
    ["Format", info.driver],
  ];
  by("facts").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
