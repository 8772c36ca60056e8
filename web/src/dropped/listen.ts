// Files that are dropped on a page or chosen on it, and STAC Items, GeoJSON and addresses that are dropped or pasted.
// What becomes of them is fetched with the first one.
import type { Map as MapLibreMap } from "maplibre-gl";
import { note } from "../dom";
import { messageOf } from "../page";

/** The page's map, which outlines are put on; null where there is none. */
export type OnMap = (() => Promise<MapLibreMap>) | null;

/** Begins to listen. `chooser` is an input of files, for those who drop nothing. */
export function listenToDrops(map: OnMap, chooser: HTMLInputElement | null = null): void {
  const root = document.documentElement;
  const begin = (work: (opening: typeof import("./open")) => Promise<void>): void => {
    note(null);
    import("./open").then(work).catch((error: unknown) => note(messageOf(error)));
  };
  const given = (file: File): void => begin(({ openFile }) => openFile(file, map));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) root.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("dropping");
    const [file] = event.dataTransfer?.files ?? [];
    const text = event.dataTransfer?.getData("text/plain") ?? "";
    if (file) given(file);
    else if (text) begin(({ openText }) => openText(text, map));
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    const text = (event.clipboardData?.getData("text/plain") ?? "").trim();
    const inField = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    // no field of a page takes a whole document; everything else that is pasted into one belongs there
    if (inField && !(text.startsWith("{") && text.length > 64 && event.target.id === "url")) return;
    if (!file && !text) return;
    event.preventDefault();
    if (file) given(file);
    else begin(({ openText }) => openText(text, map));
  });
  chooser?.addEventListener("change", () => {
    const [file] = chooser.files ?? [];
    chooser.value = "";
    if (file) given(file);
  });
}
