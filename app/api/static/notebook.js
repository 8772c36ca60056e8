// The map in a notebook's output: one raster, or two with a swipe between them; a click asks for values.
import { address, data, element, json, say, short } from "./common.js";
import { fitTo, followPosition, makeMap, maplibre } from "./basemap.js";

const SET = "WebMercatorQuad";
const sharp = window.devicePixelRatio > 1.25;
const OF_VALUES = ["url", "bidx", "expression", "nodata", "unscale"];

/** Tiles of 512 pixels: a quarter of the requests, and sharp on every screen. */
const tiles = (view) => address(`cog/tiles/${SET}/TILE@2x`, view.query).replace("TILE", "{z}/{x}/{y}");

const one = (view, name) => view.query.find(([key]) => key === name)?.[1];

async function add(map, view) {
  const facts = await json(`cog/${SET}/tilejson.json`, view.query);
  const [west, south, east, north] = facts.bounds;
  const put = () => {
    map.addSource("raster", {
      type: "raster",
      tiles: [tiles(view)],
      tileSize: sharp ? 256 : 512,
      minzoom: facts.minzoom,
      maxzoom: facts.maxzoom + 1,
      bounds: west > east ? [-180, south, 180, north] : facts.bounds,
    });
    map.addLayer({ id: "raster", type: "raster", source: "raster", paint: { "raster-fade-duration": 100 } });
  };
  if (map.isStyleLoaded()) put();
  else map.once("load", put);
  return facts;
}

/** What the colours stand for, where one band has a named colormap; else the name alone. */
function legend(view) {
  const colormap = one(view, "colormap_name");
  const range = (one(view, "rescale") ?? "").split(",");
  const bar =
    colormap && range.length === 2
      ? element(
          "span",
          { className: "bar" },
          short(Number(range[0])),
          element("img", {
            src: address(`colorMaps/${encodeURIComponent(colormap)}`, [["f", "png"], ["width", "120"], ["height", "10"]]),
            alt: colormap,
          }),
          short(Number(range[1])),
        )
      : null;
  return element("div", { className: "legend" }, element("b", {}, view.name), bar);
}

async function values(view, { lng, lat }) {
  const query = view.query.filter(([name]) => OF_VALUES.includes(name));
  const longitude = ((((lng + 180) % 360) + 360) % 360) - 180;
  const found = await json(`cog/point/${longitude},${lat}`, query);
  return found.values.map((value, band) => `${found.band_names[band]}: ${short(value)}`).join("  ");
}

function askOnClick(map) {
  map.on("click", async (event) => {
    const lines = await Promise.all(
      data.views.map((view) => values(view, event.lngLat).catch((error) => error.message)),
    );
    const text = element("div", {}, ...lines.map((line) => element("p", {}, line)));
    new maplibre.Popup().setLngLat(event.lngLat).setDOMContent(text).addTo(map);
  });
}

/** Two maps that move together; the handle says how much of the upper one is seen. */
function swipe(left, right) {
  const handle = document.getElementById("swipe");
  const over = document.getElementById("over");
  const cut = () => {
    over.style.clipPath = `inset(0 0 0 ${handle.value}%)`;
    document.documentElement.style.setProperty("--swipe", `${handle.value}%`);
  };
  handle.hidden = false;
  handle.addEventListener("input", cut);
  cut();
  let busy = false;
  const follow = (from, to) =>
    from.on("move", () => {
      if (busy) return;
      busy = true;
      to.jumpTo({ center: from.getCenter(), zoom: from.getZoom(), bearing: from.getBearing(), pitch: from.getPitch() });
      busy = false;
    });
  follow(left, right);
  follow(right, left);
}

async function main() {
  const map = makeMap();
  if (!map) return say("This browser shows no map: it has no WebGL.");
  map.addControl(new maplibre.FullscreenControl(), "top-right");
  followPosition(map);
  document.getElementById("legends").replaceChildren(...data.views.map(legend));
  const [first, second] = data.views;
  if (!first) return say("There is nothing to show.");
  try {
    const facts = [await add(map, first)];
    if (second) {
      const over = document.getElementById("over");
      over.hidden = false;
      const upper = makeMap({ container: "over", attributionControl: false });
      facts.push(await add(upper, second));
      swipe(map, upper);
      askOnClick(upper);
    }
    fitTo(map, around(facts.map((found) => found.bounds)), { padding: 20 });
    askOnClick(map);
  } catch (error) {
    say(error.message);
  }
}

/** The box around all, unless one crosses the antimeridian: then the first. */
function around(boxes) {
  if (boxes.some(([west, , east]) => west > east)) return boxes[0];
  return [0, 1, 2, 3].map((side) => (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])));
}

main();
