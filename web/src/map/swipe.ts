// Two maps that move together; a handle says how much of the upper one is seen.
import type { Map as MapLibreMap } from "maplibre-gl";
import { by } from "../dom";

/** Lays the map in `#over` over the other one, with `#swipe` as the handle. Returns a function that ends it. */
export function swipe(lower: MapLibreMap, upper: MapLibreMap): () => void {
  const handle = by<HTMLInputElement>("swipe");
  const over = by("over");
  const cut = (): void => {
    over.style.clipPath = `inset(0 0 0 ${handle.value}%)`;
    document.documentElement.style.setProperty("--swipe", `${handle.value}%`);
  };
  handle.hidden = false;
  handle.addEventListener("input", cut);
  cut();
  let busy = false;
  const follow = (from: MapLibreMap, to: MapLibreMap) => {
    const move = (): void => {
      if (busy) return;
      busy = true;
      to.jumpTo({ center: from.getCenter(), zoom: from.getZoom(), bearing: from.getBearing(), pitch: from.getPitch() });
      busy = false;
    };
    from.on("move", move);
    return () => from.off("move", move);
  };
  const ends = [follow(lower, upper), follow(upper, lower)];
  return () => {
    handle.hidden = true;
    handle.removeEventListener("input", cut);
    ends.forEach((end) => end());
  };
}
