"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

if os.environ.get("TILERY_TEST_KERNELS") == "reference":  # what holds where nothing could be compiled
    sys.modules["tilery.kernels._compiled"] = None  # type: ignore[assignment]  # Python's word for what is not there

from tests.support.crashes import (  # noqa: F401  # hooks of pytest
    pytest_configure,
    pytest_configure_node,
    pytest_handlecrashitem,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tilery.reading import gdal_options

# How long anything takes says nothing of it: the machine may have other work.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

PUBLISHERS = frozenset(("cli", "publishing"))
"""Folders of tests whose subject takes a raster with all the files beside it, as publishers have them."""


@pytest.fixture(autouse=True)
def _one_file_is_one_raster(request: pytest.FixtureRequest) -> None:
    """Tell GDAL what whoever starts a server tells it.

    A variable is touched only where it has to change, which is from one folder of tests to another: while the table of
    variables moves, a thread of an earlier test that is still at work in GDAL reads the old one, which is free by then.
    """
    serving = PUBLISHERS.isdisjoint(request.path.parts)
    for name, value in gdal_options.ALONE.items():
        if os.environ.get(name) == (value if serving else None):
            continue
        if serving:
            os.environ[name] = value
        else:
            del os.environ[name]
            if own := sys.modules.get("rasterio._env"):  # leaving its Env sets what the variable said before it
                own.del_gdal_config(name)


@pytest.fixture(autouse=True, scope="session")
def _hanging_slots_do_not_end_the_tests() -> Iterator[None]:
    """A service whose every slot hangs ends its process, for a new one to take its place. Here that would be the one of
    all tests: a machine with too much to do, and the service of a test that is long over, are enough for it.
    """
    from app.serving import monitoring

    def tell() -> None:
        print("every slot of a test's service hangs", file=sys.stderr)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitoring, "replace_worker", tell)
        yield
