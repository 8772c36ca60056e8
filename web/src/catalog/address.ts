// What is on the map, as the page's address has it after #: `layers=relief:night:0.5,clouds,rain:::time=2020-01-01`;
// a fifth part is a revision.
import { inHash, keepInHash } from "../map/hash";
import type { LayerState } from "./layer";

export interface Wish {
  readonly id: string;
  readonly style: string;
  readonly opacity: number;
  readonly sel: readonly string[];
  /** An earlier revision; empty for the current one. */
  readonly revision: string;
}

/** What divides the parts, within one of them. */
const escaped = (text: string): string => text.replace(/[%,:;]/g, (sign) => encodeURIComponent(sign));

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** The name of those that are kept beside the others. */
export const KEPT = "kept";

/** The layers that the address asks for; null where it says nothing of layers. */
export function wishes(name = "layers"): Wish[] | null {
  const text = inHash(name);
  if (text == null) return null;
  return text
    .split(",")
    .filter(Boolean)
    .map((part) => {
      const [id = "", style = "", opacity = "", chosen = "", revision = ""] = part.split(":");
      const number = Number(opacity);
      const sel = chosen.split(";").map(unescaped).filter((one) => one.indexOf("=") > 0);
      return { id, style, opacity: opacity !== "" && number >= 0 && number <= 1 ? number : 1, sel, revision };
    });
}

/** Writes down what is on; `push` makes a step that one can go back from. */
export function remember(states: readonly LayerState[], push = false, name = "layers"): void {
  const text = states
    .filter((state) => state.on)
    .map(({ layer, style, opacity, sel, revision }) =>
      [layer.id, style, opacity < 1 ? String(opacity) : "", sel.map(escaped).join(";"), revision].join(":").replace(/:+$/, ""),
    )
    .join(",");
  keepInHash(name, text, push);
}
