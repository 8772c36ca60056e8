// The colormaps with their pictures, which are fetched when the list is opened for the first time.
import { by, element } from "../dom";
import { address, json } from "../page";

const bar = (name: string): HTMLImageElement =>
  element("img", { src: address(`colorMaps/${name}`, [["f", "png"]]), alt: "", loading: "lazy" });

/** Sets the list up; `plain` is what no colormap is called. Returns a function that shows what is chosen, in other words too. */
export function colormapPicker(plain: () => string, picked: (name: string) => void): (name: string, said?: string) => void {
  const list = by("colormap-list");
  const button = by("colormap");
  const panel = by("colormaps");
  const search = by<HTMLInputElement>("colormap-search");
  let chosen = "";
  const show = (name: string, said?: string): void => {
    chosen = name;
    button.replaceChildren(said ?? (name || plain()), ...(name ? [bar(name)] : []));
    for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other.value === name));
  };
  const choose = (name: string): HTMLLIElement => {
    const choice = element("button", { type: "button", value: name }, element("span", {}, name || plain()), name ? bar(name) : null);
    choice.setAttribute("aria-pressed", String(name === chosen));
    choice.addEventListener("click", () => {
      show(name);
      picked(name);
    });
    return element("li", {}, choice);
  };
  button.addEventListener("click", async () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (panel.hidden || list.children.length) return;
    const { colormaps } = await json<{ colormaps: { id: string }[] }>("colorMaps");
    list.replaceChildren(...["", ...colormaps.map(({ id }) => id).sort()].map(choose));
  });
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    for (const item of list.children) (item as HTMLElement).hidden = !item.textContent?.toLowerCase().includes(text);
  });
  return show;
}
