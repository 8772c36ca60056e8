// The picture that says what colors stand for, and what classes are called.
import { json, type Params } from "./page";

/** Shows a legend, or nothing where there is none. */
export function showLegend(image: HTMLImageElement, address: string): void {
  if (image.src === address) return;
  image.onload = () => (image.hidden = false);
  image.onerror = () => (image.hidden = true);
  image.src = address;
}

/** A legend as JSON, as far as it tells of classes. */
export interface Legend {
  readonly kind: string;
  /** Colours are #rrggbb or #rrggbbaa. */
  readonly classes: readonly { readonly value: number; readonly color: string; readonly label: string }[];
}

export const legendOf = (base: string, look: Params): Promise<Legend> => json<Legend>(`${base}/legend.json`, look);

/** Names by value, as a number is written. */
export type Names = Readonly<Record<string, string>>;

const known = new Map<string, Promise<Names>>();

/** What the classes of a look are called; nothing where there are none, or none has a name. Asked for once. */
export function classNames(base: string, look: Params): Promise<Names> {
  const key = JSON.stringify([base, look]);
  const found = known.get(key) ?? legendOf(base, look).then(namesIn, () => ({}));
  known.set(key, found);
  return found;
}

const namesIn = ({ kind, classes }: Legend): Names =>
  kind === "classes" ? Object.fromEntries(classes.filter(isNamed).map(({ value, label }) => [String(value), label])) : {};

/** True where a label is more than the number, whose minus is a sign of its own. */
export const isNamed = ({ value, label }: Legend["classes"][number]): boolean => label.replace("\u2212", "-") !== String(value);
