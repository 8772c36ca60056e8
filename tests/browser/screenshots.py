"""Pictures of the pages with the demo layers into a folder, those of the README into docs: ``make screenshots``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.browser.conftest import ROOT, installed_chromium, served

PAGES = (
    ("start", "/"),
    ("map", "/map"),
    ("viewer", "/layers/blue-marble/viewer"),
    ("plain-map", "/layers/blue-marble/WGS1984Quad/map.html"),
    ("problem", "/layers/nothing/viewer"),
)
README = {
    "map": "/map#map=1.9/24/12&layers=blue-marble",
    "viewer": "/layers/shaded-relief/viewer?bidx=1&rescale=60,240&colormap_name=gist_earth#map=4.2/36/84",
}
"""What the README shows, each as a WebP of less than 250 kB."""
SIZES = {"desktop": (1280, 800), "telephone": (390, 780)}


def main(catalog: Path, folder: Path, docs: Path = ROOT / "docs") -> None:
    """Take a picture of each page, of each size, light and dark, and those of the README."""
    folder.mkdir(parents=True, exist_ok=True)
    with served(catalog, catalog) as address:
        orders = [
            {
                "url": address + path,
                "width": width,
                "height": height,
                "dark": dark,
                "webgl": True,
                # what is drawn after the rasters: coasts and names
                "steps": [["pause", 8000]] if "map" in name or name == "viewer" else [],
                "screenshot": str(folder / f"{name}-{size}-{'dark' if dark else 'light'}.png"),
            }
            for name, path in PAGES
            for size, (width, height) in SIZES.items()
            for dark in (False, True)
        ]
        width, height = SIZES["desktop"]
        orders += [
            {
                "url": address + path,
                "width": width,
                "height": height,
                "dark": name == "map",
                "webgl": True,
                "steps": [["pause", 12000]],
                "screenshot": str(folder / f"readme-{name}.png"),
            }
            for name, path in README.items()
        ]
        subprocess.run(
            ["node", "tests/browser/visit.mjs", installed_chromium() or ""],
            cwd=ROOT,
            input="".join(f"{json.dumps(order)}\n" for order in orders),
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    for name in README:
        with Image.open(folder / f"readme-{name}.png") as picture:
            picture.convert("RGB").save(docs / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
