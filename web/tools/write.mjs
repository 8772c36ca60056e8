// Files of the pages in app/api/static/vendor/, with compressed copies beside them, so that the server compresses nothing on a request.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const packages = join(project, "node_modules");
export const sources = join(project, "web");
export const vendor = join(project, "app", "api", "static", "vendor");

const compressible = /\.(mjs|js|css|json)$/;

/** Writes a file below the folder of the pages and gives its size back. */
export async function write(name, content) {
  const target = join(vendor, name);
  const bytes = Buffer.from(content);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, bytes);
  if (bytes.length > 4096 && compressible.test(name)) {
    await writeFile(`${target}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
    await writeFile(`${target}.gz`, gzipSync(bytes, { level: 9 }));
  }
  return bytes.length;
}
