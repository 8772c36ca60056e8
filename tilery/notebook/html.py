"""What a cell's output is made of: facts and a histogram, and the frame that a map comes into.

Plain HTML with a script of thirty lines, so that it is seen wherever a notebook is: JupyterLab, Notebook, VS Code, and
as a file. A widget would need an extension in the Jupyter server's environment, which is another one than the kernel's
behind JupyterHub, and its tiles would wait while a cell computes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any
from uuid import uuid4

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs

_COLOURS = ("#d1495b", "#3a8f5c", "#2f6fb0")
_WIDTH, _HEIGHT = 280, 110
_MOST_BANDS = 3

_STYLE = (
    ".tilery{display:flex;flex-wrap:wrap;gap:12px;font:13px/1.45 system-ui,sans-serif}"
    ".tilery .facts table{border-collapse:collapse;margin:0}"
    ".tilery .facts th,.tilery .facts td{text-align:left;padding:1px 10px 1px 0;border:0;background:none;"
    "font-size:12px;vertical-align:top}"
    ".tilery .facts th{opacity:.65;font-weight:400}.tilery svg{display:block;margin-top:8px}"
    ".tilery .facts{flex:0 1 300px}.tilery .map{flex:1 1 420px;min-width:280px;position:relative;overflow:hidden;"
    "background:#dfe8eb;border-radius:4px}"
    ".tilery .pictures{position:absolute;inset:0;display:flex}"
    ".tilery .pictures img{flex:1 1 0;min-width:0;height:100%;object-fit:contain;margin:0}"
    ".tilery iframe{position:absolute;inset:0;width:100%;height:100%;border:0}"
    ".tilery .unreachable{position:absolute;left:8px;right:8px;bottom:8px;padding:6px 10px;background:#fffffff0;"
    "color:#222;border-radius:4px;margin:0}"
)

# Where the browser and the kernel are on one machine the port is the shortest way, else the Jupyter server's proxy is.
# The one that answers is taken; which address this page has says which is tried first. VS Code forwards a port a few
# seconds after something listens at it, so they are tried again for a minute.
_FRAME = Template(
    """<div class="map" id="$id" style="height:${height}px"><div class="pictures">$pictures</div></div>
<script>
(async () => {
  const box = document.getElementById("$id"), to = $to;
  let base = document.body?.dataset?.baseUrl;
  try { base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl ?? base; } catch {}
  const direct = ["http://127.0.0.1:" + to.port];
  const proxies = [to.prefix, base && base.replace(/\\/?$$/, "/proxy/" + to.port)]
    .filter((path) => path).map((path) => new URL(path, location.href).href.replace(/\\/$$/, ""));
  const near = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname) && !to.prefix;
  const ways = near || !proxies.length ? [...direct, ...proxies] : [...proxies, ...direct];
  const note = document.createElement("p");
  note.className = "unreachable";
  note.textContent = "This is a picture: the map's server cannot be reached from this browser. "
    + "Run the cell again where the kernel has ended; with Jupyter on another machine, "
    + "install jupyter-server-proxy there.";
  for (let pause = 1; ; pause *= 2) {
    for (const root of ways) {
      try {
        const answer = await fetch(root + to.alive, { signal: AbortSignal.timeout(5000) });
        if (!answer.ok || !(await answer.text()).includes("ok")) continue;
      } catch { continue; }
      const frame = document.createElement("iframe");
      frame.src = root + to.page;
      frame.title = to.title;
      frame.allow = "fullscreen";
      note.remove();
      box.append(frame);
      return;
    }
    if (pause > 1) box.append(note);
    if (pause > 32 || !box.isConnected) return;
    await new Promise((done) => setTimeout(done, pause * 1000));
  }
})();
</script>"""
)


def page(beside: str, shown: str) -> str:
    """Return the output of a cell: what stands beside a map, and the map."""
    facts_ = f'<div class="facts">{beside}</div>' if beside else ""
    return f'<style>{_STYLE}</style><div class="tilery">{facts_}{shown}</div>'


def note(text: str) -> str:
    """Return a sentence in the map's place."""
    return f"<p>{escape(text)}</p>"


def frame(
    *,
    port: int,
    prefix: str | None,
    page: str,
    alive: str,
    pictures: Sequence[bytes],
    title: str,
    height: int,
) -> str:
    """Return the place of a map: pictures (WebP), and a script that puts the page there where it can be reached.

    Args:
        port: of the server, on the kernel's machine.
        prefix: path by which a browser comes to that port, where it is known.
        page: path of the page, from the port on.
        alive: path of what answers with ``ok``.
        pictures: what is seen without a server.
        title: of the frame.
        height: in pixels of the screen.
    """
    to = {"port": port, "prefix": prefix, "page": page, "alive": alive, "title": title}
    images = (
        f'<img alt="{escape(title)}" src="data:image/webp;base64,{base64.b64encode(picture).decode()}">'
        for picture in pictures
    )
    return _FRAME.substitute(
        id=f"tilery-{uuid4().hex}",
        height=int(height),
        pictures="".join(images),
        to=json.dumps(to).replace("<", "\\u003c"),
    )


def facts(name: str, info: Mapping[str, Any], degrees: Bounds | None) -> str:
    """Return a table of what a raster says of itself.

    Args:
        name: of the raster.
        info: as `OpenedRaster.info` has it.
        degrees: west, south, east, north. None: it has no place on the globe.
    """
    across = abs(info["bounds"][2] - info["bounds"][0]) / info["width"]
    rows = {
        "Size": f"{info['width']} × {info['height']} px",
        "Bands": f"{info['count']} × {info['dtype']}",
        "Named": ", ".join(text for _, text in info["band_descriptions"]),
        "CRS": crs_name(info["crs"]),
        "Pixel": f"{across:.6g}",
        "Bounds": "" if degrees is None else _degrees(degrees),
        "No data": str(info["nodata_value"]) if "nodata_value" in info else info["nodata_type"].lower(),
        "Overviews": ", ".join(map(str, info["overviews"])) or "none",
        "Format": info["driver"],
    }
    if all(text == band for band, text in info["band_descriptions"]):
        del rows["Named"]
    lines = (f"<tr><th>{label}</th><td>{escape(text)}</td></tr>" for label, text in rows.items() if text)
    return f"<table><caption><b>{escape(name)}</b></caption>{''.join(lines)}</table>"


def crs_name(crs: Crs | str | None) -> str:
    """Return what a person calls a CRS: ``EPSG:4326``, or the name in its WKT."""
    if crs is None:
        return "no CRS"
    text = str(crs)
    if text.startswith("http"):  # http://www.opengis.net/def/crs/EPSG/0/4326
        authority, _, code = text.rsplit("/", 3)[-3:]
        return f"{authority}:{code}"
    return text if len(text) < 40 else str(crs_.to_pyproj(Crs(text)).name)


def _degrees(bounds: Bounds) -> str:
    west, south, east, north = bounds
    return f"{west:.4f}, {south:.4f} to {east:.4f}, {north:.4f}"


def histogram(statistics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the histograms of the first bands as one picture (SVG), with the range of their values."""
    bands = [found for found in list(statistics.values())[:_MOST_BANDS] if found["min"] is not None]
    if not bands:
        return "<p>No valid values.</p>"
    low, high = min(band["min"] for band in bands), max(band["max"] for band in bands)
    top = max(max(band["histogram"][0]) for band in bands) or 1
    span = (high - low) or 1
    shapes = []
    for band, colour in zip(bands, _COLOURS if len(bands) > 1 else ("currentColor",), strict=False):
        heights, edges = band["histogram"]
        steps = [f"M{_across(edges[0], low, span):.1f},{_HEIGHT}"]
        for count, left, right in zip(heights, edges, edges[1:], strict=False):
            y = _HEIGHT - count / top * (_HEIGHT - 4)
            steps.append(f"L{_across(left, low, span):.1f},{y:.1f} L{_across(right, low, span):.1f},{y:.1f}")
        steps.append(f"L{_across(edges[-1], low, span):.1f},{_HEIGHT}Z")
        shapes.append(f'<path d="{" ".join(steps)}" fill="{colour}" fill-opacity=".45"/>')
    label = f'y="{_HEIGHT + 14}" font-size="11" fill="currentColor"'
    return (
        f'<svg role="img" aria-label="Histogram" width="{_WIDTH}" height="{_HEIGHT + 18}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT + 18}">{"".join(shapes)}'
        f'<text x="0" {label}>{low:.6g}</text><text x="{_WIDTH}" text-anchor="end" {label}>{high:.6g}</text></svg>'
    )


def _across(value: float, low: float, span: float) -> float:
    return (value - low) / span * _WIDTH
