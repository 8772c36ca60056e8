// What becomes of a file or a text that was given to a page: no page sends it anywhere. A browser does not say where a
// file lies, so the server opens what it can read itself: a raster of its own lists, a STAC Item at its own address.
import { copy, element, note } from "../dom";
import { address } from "../page";
import { found } from "./find";
import { isGeoJson, isItem, isObject, type Json } from "./kinds";
import type { OnMap } from "./listen";
import { openItem } from "./item";

/** Bytes of a document that is looked into. */
const MOST = 20e6;

export async function openFile(file: File, map: OnMap): Promise<void> {
  const place = await found(file);
  if (place) return location.assign(place);
  if (/\.(geo)?json$/i.test(file.name)) {
    if (file.size > MOST) return note(`“${file.name}” is larger than the ${MOST / 1e6} MB that a page looks into.`);
    const document = parsed(await file.text());
    if (document && (await openDocument(document, file.name, map))) return;
  }
  const command = `tilery serve ${quoted(file.name)}`;
  const button = element("button", { type: "button", className: "small" }, "Copy");
  button.addEventListener("click", async () => (button.textContent = (await copy(command)) ? "Copied" : "Copying is not allowed"));
  const why = `“${file.name}” lies on your computer, and a browser does not say where, so this server cannot read it. In its folder, run `;
  note(why, element("code", {}, command), " ", button);
}

export async function openText(text: string, map: OnMap): Promise<void> {
  const line = text.trim();
  const document = line.startsWith("{") ? parsed(line) : null;
  if (document && (await openDocument(document, "", map))) return;
  if (!document && /^([a-z][a-z0-9]*:\/\/|\/)\S+$/i.test(line)) {
    return location.assign(address(/\.json(\?|$)/i.test(line) ? "stac/viewer" : "cog/viewer", [["url", line]]));
  }
  note("This is neither an address, nor a STAC Item, nor GeoJSON.");
}

/** Shows a document; false where it is of no kind that can be shown. */
async function openDocument(document: Json, name: string, map: OnMap): Promise<boolean> {
  if (isItem(document)) {
    await openItem(document, map);
    return true;
  }
  if (!isGeoJson(document)) return false;
  if (!map) {
    note("GeoJSON is shown on the map: drop or paste it there.");
    return true;
  }
  const { showShapes } = await import("./shapes");
  showShapes(await map(), document);
  note(`${name ? `“${name}”` : "What you pasted"} is on the map here, and was sent nowhere.`);
  return true;
}

function parsed(text: string): Json | null {
  try {
    const found: unknown = JSON.parse(text);
    return isObject(found) ? found : null;
  } catch {
    return null;
  }
}

const quoted = (name: string): string => (/^[\w.-]+$/.test(name) && !name.startsWith("-") ? name : `'./${name.replaceAll("'", "'\\''")}'`);
