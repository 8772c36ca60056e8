"""Pictures of the pages with the demo layers, into a folder: ``make screenshots``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.browser.conftest import ROOT, installed_chromium, served

PAGES = (
    ("start", "/"),
    ("map", "/map"),
    ("viewer", "/layers/blue-marble/viewer"),
    ("plain-map", "/layers/blue-marble/WGS1984Quad/map.html"),
    ("problem", "/layers/nothing/viewer"),
)
SIZES = {"desktop": (1280, 800), "telephone": (390, 780)}


def main(catalog: Path, folder: Path) -> None:
    """Take a picture of each page, of each size, light and dark."""
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
        subprocess.run(
            ["node", "tests/browser/visit.mjs", installed_chromium() or ""],
            cwd=ROOT,
            input="".join(f"{json.dumps(order)}\n" for order in orders),
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
