// The assets of a STAC Item: which of them are shown.
import { by, element } from "../dom";
import { json } from "../page";

const FIRST = ["visual", "data", "image"];

/** Fills the list with the assets of an item, and gives back those that are shown: the ones wanted, or the likeliest one. */
export async function chooseAssets(base: string, url: string, wanted: readonly string[]): Promise<string[]> {
  const names = await json<string[]>(`${base}/assets`, [["url", url]]);
  const likeliest = FIRST.find((name) => names.includes(name)) ?? names[0];
  const shown = wanted.length ? [...wanted] : likeliest ? [likeliest] : [];
  const list = by<HTMLSelectElement>("assets");
  list.replaceChildren(...names.map((name) => element("option", { value: name, selected: shown.includes(name) }, name)));
  by("assets-field").hidden = false;
  return shown;
}

/** Calls back with the assets that somebody chooses. */
export function listenToAssets(chosen: (assets: string[]) => void): void {
  const list = by<HTMLSelectElement>("assets");
  list.addEventListener("change", () => {
    const names = [...list.selectedOptions].map(({ value }) => value);
    if (names.length) chosen(names);
  });
}
