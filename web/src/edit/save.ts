// What the viewer shows: saved as a style of its layer, or published as a layer of its own.
import { element } from "../dom";
import { address, type Params } from "../page";
import { type Filled, openDialog } from "./dialog";
import { add, type Known, putStyle, read } from "./requests";

export interface Look {
  /** Path of the routes that the viewer asks: `layers/{id}`, `cog`, `stac`, `zarr`. */
  readonly base: string;
  /** Address of what is shown; empty for a layer. */
  readonly url: string;
  /** How it is shown, and not what. */
  readonly render: Params;
}

const KINDS: Readonly<Record<string, string>> = { cog: "raster", stac: "stac", mosaicjson: "mosaic", zarr: "zarr" };
const NAME = "[a-z0-9][a-z0-9_\\-]{0,63}";
const ID = `${NAME}(/${NAME})*`;

/** Opens the dialog that fits. */
export function save({ base, url, render }: Look): void {
  const given = render.filter(([name, value]) => name !== "url" && value !== "" && value != null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const layer = /^layers\/(.+)$/.exec(base)?.[1];
  if (layer) saveStyle(layer, text);
  else publish(url, KINDS[base] ?? "raster", text);
}

/** A link to the map with what was saved on it. */
const seeIt = (layers: string): HTMLElement =>
  element("span", {}, "Saved. ", element("a", { href: `${address("map")}#layers=${layers}` }, "Show it on the map"));

function saveStyle(id: string, render: string): void {
  let known: Known | null = null;
  const load = async (): Promise<Filled> => {
    known = await read(id);
    return {};
  };
  openDialog({
    title: "Save this look as a style",
    fields: [
      {
        name: "style",
        label: "Name of the style",
        required: true,
        pattern: NAME,
        hint: "Small letters, digits, - and _. The name default is what is shown when nobody asks for a style.",
      },
      { name: "caption", label: "Title in lists" },
    ],
    load,
    actions: [
      {
        label: "Save",
        primary: true,
        takesFields: true,
        run: async (filled) => {
          const { style = "", caption: title } = filled;
          const { tag } = (known ??= await read(id));
          await putStyle(id, tag, style, { render, ...(title && style !== "default" ? { title } : {}) });
          known = null;
          return seeIt(style === "default" ? id : `${id}:${style}`);
        },
      },
    ],
  });
}

function publish(source: string, kind: string, render: string): void {
  const last = source.split(/[?#]/)[0]?.replace(/\/+$/, "").split("/").pop() ?? "";
  const id = last.toLowerCase().replace(/\.[a-z]+$/, "").replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64);
  openDialog({
    title: "Publish as a layer",
    fields: [
      { name: "id", label: "Id, which its addresses have", value: id, required: true, pattern: ID },
      { name: "name", label: "Name" },
    ],
    actions: [
      {
        label: "Publish",
        primary: true,
        takesFields: true,
        run: async (filled) => {
          await add({ id: filled["id"] ?? "", source, kind, render, ...(filled["name"] ? { name: filled["name"] } : {}) });
          return seeIt(filled["id"] ?? "");
        },
      },
    ],
  });
}
