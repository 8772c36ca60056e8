"""Tests of the Helm chart. Helm and Kubernetes' schemas have an environment of their own: `make test-chart`."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("helm_python") is None:
    collect_ignore = ["test_chart.py"]
