// The pages' own scripts, from TypeScript: one file a page, and what pages share in files of their own.
import { build } from "esbuild";
import { basename, join } from "node:path";
import { sources, vendor, write } from "./write.mjs";

const pages = ["catalog", "viewer", "leaflet", "notebook", "sources", "swagger", "redoc"];

/** MapLibre stays a file of its own, which browsers keep when only our scripts change. */
const besideUs = {
  name: "maplibre",
  setup({ onResolve }) {
    onResolve({ filter: /^maplibre-gl$/ }, () => ({ path: "../maplibre-gl/maplibre-gl.mjs", external: true }));
  },
};

export async function bundlePages() {
  const { outputFiles } = await build({
    entryPoints: pages.map((name) => ({ in: join(sources, "src", name, "main.ts"), out: name })),
    outdir: join(vendor, "pages"),
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    chunkNames: "[name]-[hash]",
    plugins: [besideUs],
    write: false,
    logLevel: "warning",
  });
  const sizes = await Promise.all(outputFiles.map(({ path, contents }) => write(`pages/${basename(path)}`, contents)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
