"""What all tests share."""

from __future__ import annotations

import os
import sys

import pytest

if os.environ.get("TILERY_TEST_KERNELS") == "reference":  # what holds where nothing could be compiled
    sys.modules["tilery.kernels._compiled"] = None  # type: ignore[assignment]  # Python's word for what is not there

from tilery.reading import gdal_options

PUBLISHERS = frozenset(("cli", "publishing"))
"""Folders of tests whose subject takes a raster with all the files beside it, as publishers have them."""


@pytest.fixture(autouse=True)
def _one_file_is_one_raster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL is told what whoever starts a server tells it."""
    serving = PUBLISHERS.isdisjoint(request.path.parts)
    for name, value in gdal_options.ALONE.items():
        if serving:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
            if own := sys.modules.get("rasterio._env"):  # leaving its Env sets what the variable said before it
                own.del_gdal_config(name)
