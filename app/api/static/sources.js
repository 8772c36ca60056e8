// Files: what a raster says of itself, asked for as it comes into view, and pictures that cannot be made taken away.

import { json } from "./common.js";

const AT_A_TIME = 4;
const waiting = [];
let running = 0;

function facts(info) {
  const crs = String(info.crs ?? "").replace(/^.*\/def\/crs\/([^/]+)\/[^/]+\/([^/]+)$/, "$1:$2");
  const bands = `${info.count} ${info.count === 1 ? "band" : "bands"}`;
  return [`${info.width} × ${info.height}`, bands, info.dtype, crs || "no CRS"].filter(Boolean).join(" · ");
}

async function next() {
  if (running >= AT_A_TIME || !waiting.length) return;
  running += 1;
  const row = waiting.shift();
  const place = row.querySelector(".facts");
  try {
    place.textContent = facts(await json("cog/info", [["url", row.dataset.raster]]));
  } catch (error) {
    place.textContent = error.message;
  }
  running -= 1;
  next();
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    waiting.push(entry.target);
    next();
  }
});

for (const row of document.querySelectorAll("li[data-raster]")) {
  seen.observe(row);
  const picture = row.querySelector("img");
  const broken = () => picture.remove();
  if (picture.complete && !picture.naturalWidth && picture.currentSrc) broken();
  else picture.addEventListener("error", broken);
}
