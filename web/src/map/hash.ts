// The page's address after #: `map=zoom/latitude/longitude/bearing/pitch` and what else the page keeps there.
//
// MapLibre can keep the position too, but takes the escapes out of what stands beside it, so that an address in an
// address falls apart as soon as the map moves.
import type { Map as MapLibreMap, MapOptions } from "maplibre-gl";

const NAME = "map";
/** Milliseconds between two writings: browsers allow a hundred in half a minute. */
const REST = 300;

/** Writes a value into the page's address after #; `push` makes a step to go back to. */
export function keepInHash(name: string, value: string | null, push = false): void {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (value == null) parts.delete(name);
  else parts.set(name, value);
  const text = [...parts].map(([key, kept]) => `${key}=${encodeURIComponent(kept).replace(/%(2C|2F|3A)/g, decodeURIComponent)}`).join("&");
  if (`#${text}` === location.hash) return;
  const whole = `${location.pathname}${location.search}#${text}`;
  if (push) history.pushState(null, "", whole);
  else history.replaceState(null, "", whole);
}

/** What the address says after #. */
export const inHash = (name: string): string | null => new URLSearchParams(location.hash.slice(1)).get(name);

type Position = Required<Pick<MapOptions, "center" | "zoom" | "bearing" | "pitch">>;

/** The position that the address asks for; null where it asks for none. */
export function keptPosition(): Position | null {
  const parts = inHash(NAME)?.split("/").map(Number) ?? [];
  const [zoom = NaN, latitude = NaN, longitude = NaN, bearing = 0, pitch = 0] = parts;
  if (!parts.every(Number.isFinite) || parts.length < 3 || Math.abs(latitude) > 90) return null;
  return { center: [longitude, latitude], zoom, bearing, pitch };
}

/** Writes the map's position into the address whenever it has moved, and goes where somebody changes it to. */
export function keepPosition(map: MapLibreMap): void {
  let timer = 0;
  const write = (): void => {
    timer = 0;
    keepInHash(NAME, positionOf(map));
  };
  map.on("moveend", () => {
    timer ||= window.setTimeout(write, REST);
  });
  addEventListener("hashchange", () => {
    const wanted = keptPosition();
    if (wanted && inHash(NAME) !== positionOf(map)) map.jumpTo(wanted);
  });
}

/** As exact as half a pixel. */
function positionOf(map: MapLibreMap): string {
  const [zoom, bearing, pitch] = [map.getZoom(), map.getBearing(), map.getPitch()];
  const { lng, lat } = map.getCenter();
  const digits = Math.max(0, Math.ceil((zoom * Math.LN2 + Math.log(512 / 360 / 0.5)) / Math.LN10));
  const place = [Number(zoom.toFixed(2)), Number(lat.toFixed(digits)), Number(lng.toFixed(digits))];
  const turned = bearing || pitch ? [Number(bearing.toFixed(1))] : [];
  return [...place, ...turned, ...(pitch ? [Math.round(pitch)] : [])].join("/");
}
