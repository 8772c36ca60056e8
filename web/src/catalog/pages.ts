// The list beside the map, a page at a time and searched, however many layers there are.
import { by, element, say } from "../dom";
import { messageOf } from "../page";
import { type Layer, type LayerState, PAGE, type Page, pageOf } from "./layer";

/** Milliseconds of rest after a letter before it is searched for. */
const REST = 250;

interface Made {
  /** The one state of a layer. */
  state(layer: Layer): LayerState;
  /** The element of a state, made once. */
  item(state: LayerState): HTMLElement;
  /** The layers that are on: they stay at the top. */
  on(): readonly LayerState[];
}

/** Fills the list with the first page, and with others when they are asked for. */
export function pages(first: Page, { state, item, on }: Made): void {
  const search = by<HTMLInputElement>("search");
  const button = element("button", { type: "button", className: "quiet small" }, "More layers");
  const rest = element("li", { className: "more" }, button);
  let found = [...first.layers];
  let words = "";
  let asked = new AbortController();
  let timer = 0;
  let offset = 0;

  const show = (more: boolean): void => {
    const states = found.map(state);
    const kept = on().filter((one) => !states.includes(one));
    const items: HTMLElement[] = [...kept, ...states].map(item);
    if (!states.length && words) items.push(element("li", { className: "soft more" }, "No layer has these words."));
    by("layers").replaceChildren(...items, ...(more ? [rest] : []));
  };
  const load = async (): Promise<void> => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    try {
      const page = await pageOf(words, offset, signal);
      found = offset ? [...found, ...page.layers] : [...page.layers];
      show(page.more);
    } catch (error) {
      if (!signal.aborted) say(messageOf(error));
    }
  };
  button.addEventListener("click", () => {
    button.disabled = true;
    offset += PAGE;
    void load().finally(() => (button.disabled = false));
  });
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      words = search.value.trim();
      offset = 0;
      void load();
    }, REST);
  });
  search.hidden = !first.more;
  show(first.more);
}
