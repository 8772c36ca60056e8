// The map in a notebook's output: one raster, or two with a swipe between them; a click asks for values.
import type { LngLat, Map as MapLibreMap } from "maplibre-gl";
import { by, credits, element, say, short } from "../dom";
import { type Bounds, unrolled, wrap } from "../geo";
import { createMap, hasWebGL, type Made } from "../map/create";
import { onFailure } from "../map/failures";
import { fitTo } from "../map/fit";
import { followPosition } from "../map/position";
import { addRaster } from "../map/raster";
import { swipe } from "../map/swipe";
import { ofPoint, type PointAnswer } from "../map/values";
import { address, dataOf, json, messageOf, template } from "../page";

interface View {
  readonly name: string;
  /** Its routes: cog, stac, mosaicjson, zarr. */
  readonly family: string;
  readonly query: readonly (readonly [string, string])[];
}

interface TileJson {
  readonly bounds: Bounds;
  readonly minzoom: number;
  readonly maxzoom: number;
  readonly attribution?: string;
}

const { views } = dataOf<{ views: readonly View[] }>();
const SET = "WebMercatorQuad";
const OF_VALUES = [
  ...["url", "bidx", "expression", "nodata", "unscale", "assets", "asset_as_band"],
  ...["variable", "sel", "group", "decode_times", "skip_missing"],
];

const one = (view: View, name: string): string | undefined => view.query.find(([key]) => key === name)?.[1];

async function add(map: MapLibreMap, view: View): Promise<TileJson> {
  const facts = await json<TileJson>(`${view.family}/${SET}/tilejson.json`, view.query);
  addRaster(map, {
    id: "raster",
    bounds: facts.bounds,
    minzoom: facts.minzoom,
    maxzoom: facts.maxzoom + 1,
    tiles: template(`${view.family}/tiles/${SET}/{z}/{x}/{y}@2x`, view.query),
    tileSize: window.devicePixelRatio > 1.25 ? 256 : 512,
    attribution: credits(facts.attribution),
    opacity: 1,
    preview: (box) => address(`${view.family}/bbox/${box.join(",")}.png`, [...view.query, ["dst_crs", "epsg:3857"], ["max_size", 512]]),
  });
  return facts;
}

/** What the colors stand for, where one band has a named colormap; else the name alone. */
function legend(view: View): HTMLElement {
  const colormap = one(view, "colormap_name");
  const range = (one(view, "rescale") ?? "").split(",");
  const bar =
    colormap && range.length === 2
      ? element(
          "span",
          { className: "bar" },
          short(Number(range[0])),
          element("img", {
            src: address(`colorMaps/${encodeURIComponent(colormap)}`, [
              ["f", "png"],
              ["width", 120],
              ["height", 10],
            ]),
            alt: colormap,
          }),
          short(Number(range[1])),
        )
      : null;
  return element("div", { className: "legend" }, element("b", {}, view.name), bar);
}

async function values(view: View, { lng, lat }: LngLat): Promise<string> {
  const query = view.query.filter(([name]) => OF_VALUES.includes(name));
  const found = ofPoint(await json<PointAnswer>(`${view.family}/point/${wrap(lng)},${lat}`, query));
  return found.flatMap((part) => part.values.map((value, band) => `${part.band_names[band]}: ${short(value)}`)).join("  ");
}

function askOnClick({ map, lib }: Made): void {
  map.on("click", async (event) => {
    const lines = await Promise.all(views.map((view) => values(view, event.lngLat).catch(messageOf)));
    const text = element("div", {}, ...lines.map((line) => element("p", {}, line)));
    new lib.Popup().setLngLat(event.lngLat).setDOMContent(text).addTo(map);
  });
}

async function main(): Promise<void> {
  if (!hasWebGL()) return say("This browser shows no map: it has no WebGL.");
  const [first, second] = views;
  if (!first) return say("There is nothing to show.");
  const made = await createMap({ minZoom: 0 });
  const { map, lib, dress } = made;
  map.addControl(new lib.FullscreenControl(), "top-right");
  followPosition(map);
  onFailure(map, say);
  by("legends").replaceChildren(...views.map(legend));
  const facts = [await add(map, first)];
  if (second) {
    by("over").hidden = false;
    const upper = await createMap({ container: "over", minZoom: 0, attributionControl: false });
    facts.push(await add(upper.map, second));
    swipe(map, upper.map);
    askOnClick(upper);
  }
  fitTo(map, around(facts), Math.min(...facts.map(({ minzoom }) => minzoom)), { padding: 20 });
  askOnClick(made);
  dress();
}

/** The box around all. */
function around(facts: readonly TileJson[]): Bounds {
  const boxes = facts.map(({ bounds }) => unrolled(bounds));
  const side = (at: 0 | 1 | 2 | 3): number => (at < 2 ? Math.min : Math.max)(...boxes.map((box) => box[at]));
  return [side(0), side(1), side(2), side(3)];
}

main().catch((error: unknown) => say(messageOf(error)));
