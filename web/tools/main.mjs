// Makes app/api/static/vendor/: packages as they are, the pages' own scripts, and the world of the basemap.
import { rm } from "node:fs/promises";
import { bundlePages } from "./bundle.mjs";
import { copyPackages } from "./vendor.mjs";
import { makeWorld } from "./world.mjs";
import { vendor } from "./write.mjs";

await rm(vendor, { recursive: true, force: true });
const sizes = await Promise.all([copyPackages(), bundlePages(), makeWorld()]);
const total = sizes.reduce((sum, size) => sum + size, 0);
process.stdout.write(`pages: ${(total / 1e6).toFixed(1)} MB of scripts, styles and map data in app/api/static/vendor\n`);
