// What is on the map, as the page's address has it after #: `layers=relief:night:0.5,clouds`.
import { keepInHash } from "../map/create";
import type { LayerState } from "./layer";

export interface Wish {
  readonly id: string;
  readonly style: string;
  readonly opacity: number;
}

/** The name of those that are kept beside the others. */
export const KEPT = "kept";

/** The layers that the address asks for; null where it says nothing of layers. */
export function wishes(name = "layers"): Wish[] | null {
  const text = new URLSearchParams(location.hash.slice(1)).get(name);
  if (text == null) return null;
  return text
    .split(",")
    .filter(Boolean)
    .map((part) => {
      const [id = "", style = "", opacity = ""] = part.split(":");
      const number = Number(opacity);
      return { id, style, opacity: opacity !== "" && number >= 0 && number <= 1 ? number : 1 };
    });
}

/** Writes down what is on; `push` makes a step that one can go back from. */
export function remember(states: readonly LayerState[], push = false, name = "layers"): void {
  const text = states
    .filter((state) => state.on)
    .map(({ layer, style, opacity }) => [layer.id, style, opacity < 1 ? String(opacity) : ""].join(":").replace(/:+$/, ""))
    .join(",");
  keepInHash(name, text, push);
}
