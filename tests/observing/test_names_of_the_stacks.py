"""What the stacks watch is what the service writes."""

from __future__ import annotations

import pytest

from app.config.settings import Settings
from app.observing import emf
from app.observing.metrics import PROBLEMS
from cdk import metric_names


def test_the_stacks_name_metrics_that_there_are() -> None:
    named = {
        metric_names.RECYCLES,
        metric_names.QUEUE,
        metric_names.RENDERS,
        metric_names.HITS,
        metric_names.LATENCY,
    }
    assert named <= set(emf.NAMED)
    assert len(emf.NAMED) == metric_names.EMITTED, "which is what `npm run cost` counts"
    assert metric_names.VARIABLE in {name for each in Settings.variables() for name in each.names}


@pytest.mark.parametrize(("metric", "code"), [(metric_names.DENIED, "source_denied"), (metric_names.BUSY, "busy")])
def test_the_filters_read_fields_of_those_problems(metric: str, code: str) -> None:
    changed: dict[str, emf.Values] = {
        f"{PROBLEMS.name}\0{code}\0": (3.0,),
        f"{PROBLEMS.name}\0over_limit\0width": (5.0,),
    }
    assert emf._all(changed)[metric_names.FIELDS[metric]] == 3.0
