// The line at the bottom of a map: position and zoom.
import type { LngLat, Map as MapLibreMap } from "maplibre-gl";
import { by, element } from "../dom";
import { wrap } from "../geo";

/** Keeps the line up to date. */
export function followPosition(map: MapLibreMap): void {
  const readout = by("readout").appendChild(element("span"));
  let at: LngLat | null = null;
  const write = (): void => {
    const { lng, lat } = at ?? map.getCenter();
    readout.textContent = `${lat.toFixed(4)}°  ${wrap(lng).toFixed(4)}°  zoom ${map.getZoom().toFixed(1)}`;
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
