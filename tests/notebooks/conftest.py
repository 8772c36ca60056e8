"""Tests of what needs Jupyter and xarray, which have an environment of their own: `make test-notebooks`."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("nbclient") is None:
    collect_ignore = ["test_examples.py", "test_xarray.py"]
