// Files: what a raster says of itself, asked for as it comes into view, and pictures that cannot be made taken away.
import { address, json, messageOf } from "../page";

interface Info {
  readonly width: number;
  readonly height: number;
  readonly count: number;
  readonly dtype: string;
  readonly crs: string | null;
}

const AT_A_TIME = 4;
const waiting: HTMLElement[] = [];
let running = 0;

function facts(info: Info): string {
  const crs = (info.crs ?? "").replace(/^.*\/def\/crs\/([^/]+)\/[^/]+\/([^/]+)$/, "$1:$2");
  const bands = `${info.count} ${info.count === 1 ? "band" : "bands"}`;
  return [`${info.width} × ${info.height}`, bands, info.dtype, crs || "no CRS"].filter(Boolean).join(" · ");
}

interface Statistics {
  readonly [band: string]: { readonly percentile_2: number; readonly percentile_98: number };
}

/** A small picture of values that are no bytes: stretched between percentiles of its bands, or it would be black. */
async function stretch(row: HTMLElement, info: Info): Promise<void> {
  const picture = row.querySelector("img");
  if (!picture || info.dtype === "uint8" || info.dtype.startsWith("complex")) return;
  const bands = info.count >= 3 ? ["1", "2", "3"] : ["1"];
  const chosen: [string, string][] = bands.map((band) => ["bidx", band]);
  const url = row.dataset["raster"] ?? "";
  const found = await json<Statistics>("cog/statistics", [["url", url], ["max_size", "128"], ...chosen]);
  const ranges = Object.values(found).map((band): [string, string] => [
    "rescale",
    `${band.percentile_2},${band.percentile_98}`,
  ]);
  picture.src = address("cog/preview.webp", [["url", url], ["max_size", "240"], ...chosen, ...ranges]);
}

async function described(row: HTMLElement): Promise<string> {
  const info = await json<Info>("cog/info", [["url", row.dataset["raster"]]]);
  void stretch(row, info).catch(() => undefined);
  return facts(info);
}

async function next(): Promise<void> {
  if (running >= AT_A_TIME) return;
  const row = waiting.shift();
  const place = row?.querySelector(".facts");
  if (!row || !place) return;
  running += 1;
  place.textContent = await described(row).catch(messageOf);
  running -= 1;
  void next();
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    waiting.push(entry.target as HTMLElement);
    void next();
  }
});

for (const row of document.querySelectorAll<HTMLElement>("li[data-raster]")) {
  seen.observe(row);
  const picture = row.querySelector("img");
  if (!picture) continue;
  const broken = (): void => picture.remove();
  if (picture.complete && !picture.naturalWidth && picture.currentSrc) broken();
  else picture.addEventListener("error", broken);
}
