// Files: what a raster says of itself and a small picture, asked for as it comes into view.
import { by, element } from "../dom";
import { listenToDrops } from "../dropped/listen";
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

/** A small picture: the first three bands or the first one; values that are no bytes stretched between percentiles. */
async function picture(row: HTMLElement, { count, dtype }: Info): Promise<void> {
  if (dtype.startsWith("complex")) return;
  const url = row.dataset["raster"] ?? "";
  const bands = count >= 3 ? ["1", "2", "3"] : ["1"];
  const plain = dtype === "uint8" && [1, 3, 4].includes(count);
  const chosen: [string, string][] = plain ? [] : bands.map((band) => ["bidx", band]);
  let ranges: [string, string][] = [];
  if (dtype !== "uint8") {
    const found = await json<Statistics>("cog/statistics", [["url", url], ["max_size", "128"], ...chosen]);
    ranges = Object.values(found).map(({ percentile_2: low, percentile_98: high }) => ["rescale", `${low},${high > low ? high : low + 1}`]);
    if (ranges.some(([, range]) => range.includes("null"))) return;
  }
  const shown = element("img", { alt: "", src: address("cog/preview.webp", [["url", url], ["max_size", "240"], ...chosen, ...ranges]) });
  shown.addEventListener("error", () => shown.remove());
  row.querySelector(".thumbnail")?.replaceChildren(shown);
}

async function described(row: HTMLElement): Promise<string> {
  const info = await json<Info>("cog/info", [["url", row.dataset["raster"]]]);
  void picture(row, info).catch(() => undefined);
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

listenToDrops(null, by<HTMLInputElement>("file"));
for (const row of document.querySelectorAll<HTMLElement>("li[data-raster]")) seen.observe(row);
