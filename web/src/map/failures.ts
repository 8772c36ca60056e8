// What the server says when it cannot make a tile.
import type { Map as MapLibreMap } from "maplibre-gl";
import { wordsIn } from "../page";
import { isOfRaster } from "./raster";

interface Failure {
  readonly status?: number;
  readonly body?: Blob;
}

/** Calls back with the server's own sentence. A tile outside of the raster is no failure. */
export function onFailure(map: MapLibreMap, then: (sentence: string) => void): void {
  map.on("error", async (event) => {
    const { status, body } = event.error as Failure;
    const { sourceId } = event as unknown as { sourceId?: string };
    if (!isOfRaster(sourceId) || status === 404) return;
    if (!status) return then("The server does not answer.");
    const sentence = body ? wordsIn(await body.text()) : null;
    then(sentence ?? `A tile could not be made (${status}).`);
  });
}
