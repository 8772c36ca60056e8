"""Writes a small raster whose pixels all differ, for deployments without one: python -m tests.deployed.raster FILE."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.support.rasters import write


def main() -> None:
    """Three bands of bytes: column, row, and both together."""
    rows, columns = np.mgrid[0:256, 0:256]
    write(Path(sys.argv[1]), np.stack([columns, rows, columns ^ rows]).astype("uint8"))


if __name__ == "__main__":
    main()
