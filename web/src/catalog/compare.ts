// What was on, right of a handle, beside what is on now, left of it.
import type { Map as MapLibreMap, MapMouseEvent } from "maplibre-gl";
import { by, note } from "../dom";
import { createMap, type Made } from "../map/create";
import { keepInHash } from "../map/hash";
import { swipe } from "../map/swipe";
import { messageOf } from "../page";
import { KEPT, remember, type Wish, wishes } from "./address";
import { type LayerState, stateOf } from "./layer";
import { show } from "./show";

/** Sets the button up; `clicked` is called for clicks on what was kept. It stands in the page's address. */
export function comparing(
  { map }: Made,
  states: readonly LayerState[],
  clicked: (upper: MapLibreMap, kept: readonly LayerState[], event: MapMouseEvent) => void,
): void {
  const button = by<HTMLButtonElement>("compare-button");
  let end: (() => void) | null = null;

  const keep = async (wanted: readonly Wish[]): Promise<void> => {
    by("over").hidden = false;
    button.textContent = "End the comparison";
    const upper = await createMap({
      container: "over",
      attributionControl: false,
      center: map.getCenter(),
      zoom: map.getZoom(),
      bearing: map.getBearing(),
      pitch: map.getPitch(),
    });
    const shape = (): void => void upper.map.setProjection(map.getProjection());
    map.on("projectiontransition", shape);
    shape();
    const apart = swipe(map, upper.map);
    end = () => {
      map.off("projectiontransition", shape);
      apart();
      upper.map.remove();
      by("over").hidden = true;
      keepInHash(KEPT, null);
    };
    // in the list's order, as what lies below
    const kept = states.flatMap((state) => {
      const wish = wanted.find(({ id }) => id === state.layer.id);
      return wish ? [{ ...stateOf(state.layer, wish), bounds: state.bounds }] : [];
    });
    kept.forEach((state) => show(upper.map, kept, state));
    upper.map.on("click", (event) => clicked(upper.map, kept, event));
    upper.dress();
  };
  const begin = (wanted: readonly Wish[]): void => void keep(wanted).catch((error: unknown) => note(messageOf(error)));

  button.addEventListener("click", () => {
    if (end) {
      end();
      end = null;
      button.textContent = "Compare";
      return;
    }
    remember(states, false, KEPT);
    begin(wishes(KEPT) ?? []);
  });
  const kept = wishes(KEPT);
  if (kept) begin(kept);
}
