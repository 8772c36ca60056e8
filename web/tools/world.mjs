// The world of the basemap: Natural Earth's countries (public domain) as the package world-atlas has them, and where names go.
// Cities (web/data/places.json) are Natural Earth's populated places at 1:110m, public domain too: name, longitude, latitude.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { feature } from "topojson-client";
import { packages, sources, write } from "./write.mjs";

export async function makeWorld() {
  const [coarse, fine] = await Promise.all(["110m", "50m"].map(countries));
  const places = JSON.parse(await readFile(join(sources, "data", "places.json"), "utf8"));
  const sizes = await Promise.all([
    write("world/110m.json", JSON.stringify(coarse)),
    write("world/50m.json", JSON.stringify(fine)),
    write("world/names.json", JSON.stringify({ countries: names(fine), places })),
  ]);
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function countries(scale) {
  return JSON.parse(await readFile(join(packages, "world-atlas", `countries-${scale}.json`), "utf8"));
}

/** [name, longitude, latitude, area in square degrees at the equator] of each country, the largest first. */
function names(topology) {
  const rows = feature(topology, topology.objects.countries).features.map(({ properties, geometry }) => {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const [largest] = polygons.map(([ring]) => middle(ring)).sort((a, b) => b.area - a.area);
    return [properties.name, round(wrapped(largest.x)), round(largest.y), round(largest.area)];
  });
  return rows.sort((a, b) => b[3] - a[3]);
}

/** The centroid of a ring, which may go over the antimeridian, and its area. */
function middle(ring) {
  let [area, x, y, offset] = [0, 0, 0, 0];
  const points = ring.map(([longitude, latitude], index) => {
    if (index) offset -= Math.round((longitude - ring[index - 1][0]) / 360) * 360;
    return [longitude + offset, latitude];
  });
  for (let index = 1; index < points.length; index += 1) {
    const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
    const cross = x0 * y1 - x1 * y0;
    area += cross / 2;
    x += ((x0 + x1) * cross) / 6;
    y += ((y0 + y1) * cross) / 6;
  }
  if (!area) return { area: 0, x: points[0][0], y: points[0][1] };
  return { area: Math.abs(area) * Math.cos((y / area / 180) * Math.PI), x: x / area, y: y / area };
}

const wrapped = (longitude) => ((((longitude + 180) % 360) + 360) % 360) - 180;
const round = (value) => Math.round(value * 100) / 100;
