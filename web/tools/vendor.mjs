// What the pages take from npm packages as it is. Nothing of the packages is run.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packages, write } from "./write.mjs";

const files = {
  "maplibre-gl": ["dist/maplibre-gl.mjs", "dist/maplibre-gl-worker.mjs", "dist/maplibre-gl.css", "LICENSE.txt"],
  leaflet: [
    "dist/leaflet.js",
    "dist/leaflet.css",
    "dist/images/layers.png",
    "dist/images/layers-2x.png",
    "dist/images/marker-icon.png",
    "dist/images/marker-icon-2x.png",
    "dist/images/marker-shadow.png",
    "LICENSE",
  ],
  proj4: ["dist/proj4.js", "LICENSE.md"],
  "swagger-ui-dist": ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"],
  redoc: ["bundles/redoc.standalone.js", "LICENSE"],
};

// The packages' own requests to other hosts, and maps of sources that are not here.
const changes = {
  "redoc.standalone.js": [
    [/https:\/\/cdn\.redoc\.ly\/redoc\/logo-mini\.svg/g, "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="],
  ],
};
const sourceMap = /\n?(\/\/[#@] sourceMappingURL=[^\n]*|\/\*# sourceMappingURL=[^*]*\*\/)\s*$/;

export async function copyPackages() {
  let bytes = 0;
  for (const [name, paths] of Object.entries(files)) {
    for (const path of paths) {
      let content = await readFile(join(packages, name, path));
      const base = path.split("/").at(-1);
      if (/\.(mjs|js|css)$/.test(base)) {
        let text = content.toString("utf8").replace(sourceMap, "\n");
        for (const [from, to] of changes[base] ?? []) {
          const changed = text.replace(from, to);
          if (changed === text) throw new Error(`${name}/${path}: ${from} is not in it any more`);
          text = changed;
        }
        content = text;
      }
      bytes += await write(`${name}/${path.replace(/^(dist|bundles)\//, "")}`, content);
    }
  }
  return bytes;
}
