// Where a file of the reader's own lies among those that the server lists, known by its name and size.
import { address, json, listsFiles } from "../page";

interface Entry {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  readonly size: number | null;
}

interface Listing {
  readonly entries: readonly Entry[];
}

const PAGES: Readonly<Record<string, string>> = {
  raster: "cog/viewer",
  "stac-item": "stac/viewer",
  mosaic: "mosaicjson/WebMercatorQuad/map.html",
};

/** The address of the page that shows the file; null where the server lists none of that name and size. */
export async function found({ name, size }: { name: string; size: number }): Promise<string | null> {
  if (!listsFiles) return null;
  // lists that are refused, as to who asks by another name, are no reason to say less of the file
  const { entries } = await json<Listing>("sources").catch((): Listing => ({ entries: [] }));
  const folders = entries.filter(({ kind }) => kind === "folder");
  const lists = await Promise.allSettled(folders.map(({ url }) => json<Listing>("sources", [["url", url], ["q", name], ["limit", 500]])));
  const all = [...entries, ...lists.flatMap((list) => (list.status === "fulfilled" ? list.value.entries : []))];
  const known = all.find((one) => one.name === name && one.size === size && PAGES[one.kind]);
  return known ? address(PAGES[known.kind] ?? "", [["url", known.url]]) : null;
}
