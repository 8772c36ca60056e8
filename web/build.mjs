// Copies what the pages take from npm packages into app/api/static/vendor/, with compressed copies beside each file, so
// that the server neither compresses them on each request nor sends anybody to a CDN. Nothing of the packages is run.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = join(project, "node_modules");
const vendor = join(project, "app", "api", "static", "vendor");

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

await rm(vendor, { recursive: true, force: true });
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
      content = Buffer.from(text);
    }
    const target = join(vendor, name, path.replace(/^(dist|bundles)\//, ""));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    if (content.length > 4096 && /\.(mjs|js|css)$/.test(base)) {
      const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
      await writeFile(`${target}.br`, brotliCompressSync(content, quality));
      await writeFile(`${target}.gz`, gzipSync(content, { level: 9 }));
    }
    bytes += content.length;
  }
}
process.stdout.write(`pages: ${(bytes / 1e6).toFixed(1)} MB of scripts and styles in app/api/static/vendor\n`);
