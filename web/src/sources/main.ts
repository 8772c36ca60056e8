// Files: what a raster says of itself, asked for as it comes into view, and pictures that cannot be made taken away.
import { json, messageOf } from "../page";

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

async function next(): Promise<void> {
  if (running >= AT_A_TIME) return;
  const row = waiting.shift();
  const place = row?.querySelector(".facts");
  if (!row || !place) return;
  running += 1;
  place.textContent = await json<Info>("cog/info", [["url", row.dataset["raster"]]]).then(facts, messageOf);
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
