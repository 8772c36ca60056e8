// The page's own address, which says all of a choice.
import { access, type Params } from "../page";

/** Parameters of tiles that follow from others. */
const FOLLOWING = ["buffer", "reproject"];

/** Writes parameters into the page's address; `push` makes a step to go back to. */
export function keepInAddress(params: Params, push: boolean): void {
  const query = new URLSearchParams();
  for (const [name, value] of params) {
    if (!FOLLOWING.includes(name) && value !== "" && value != null) query.append(name, String(value));
  }
  for (const [name, value] of access) query.set(name, value);
  const whole = `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`;
  if (`${location.pathname}${location.search}${location.hash}` === whole) return;
  if (push) history.pushState(null, "", whole);
  else history.replaceState(null, "", whole);
}
