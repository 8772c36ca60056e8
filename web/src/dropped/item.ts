// A STAC Item whose document is here: shown from where it says that it lies, or one of its assets by itself, as far as
// the server may read them.
import { note } from "../dom";
import { address, json, messageOf, Problem } from "../page";
import { isGeoJson, type Item } from "./kinds";
import type { OnMap } from "./listen";

/** Assets that are tried by themselves, the likeliest first. */
const LIKELIEST = ["visual", "data", "image"];
const TRIED = 3;

export async function openItem(item: Item, map: OnMap): Promise<void> {
  const self = absolute(item.links?.find?.(({ rel }) => rel === "self")?.href);
  let why = "The item does not say where it lies: it has no link “self”, and its assets have no addresses of their own.";
  if (self) {
    const refused = await tried("stac/assets", self);
    if (!refused) return location.assign(address("stac/viewer", [["url", self]]));
    why = `${self}: ${refused}`;
  }
  for (const href of rasters(item, self)) {
    const refused = await tried("cog/info", href);
    if (!refused) return location.assign(address("cog/viewer", [["url", href]]));
    why = self ? why : `${href}: ${refused}`;
  }
  if (map && isGeoJson(item) && item["geometry"]) {
    const { showShapes } = await import("./shapes");
    showShapes(await map(), item);
    why = `Only the outline of the item is shown. ${why}`;
  }
  note(`${why} Put it where this server may read it, or add its address to TILERY_SOURCES.`);
}

/** Why the server does not open an address; null where it does. */
async function tried(path: string, url: string): Promise<string | null> {
  try {
    await json(path, [["url", url]]);
    return null;
  } catch (error) {
    if (error instanceof Problem) return messageOf(error);
    throw error;
  }
}

function rasters({ assets }: Item, self: string | null): string[] {
  const known = Object.entries(assets).filter(([, { type }]) => type === undefined || /tiff|jp2/i.test(String(type)));
  const order = ([name]: (typeof known)[number]): number => (LIKELIEST.indexOf(name) + LIKELIEST.length + 1) % (LIKELIEST.length + 1);
  const found = [...known].sort((one, other) => order(one) - order(other)).map(([, { href }]) => absolute(href, self));
  return found.filter((href) => href !== null).slice(0, TRIED);
}

/** An address that needs no other to be understood; null where there is none. */
function absolute(href: unknown, base: string | null = null): string | null {
  if (typeof href !== "string" || !href) return null;
  if (/^([a-z][a-z0-9]*:\/\/|\/)/i.test(href)) return href;
  return base && /^https?:/.test(base) ? new URL(href, base).href : null;
}
