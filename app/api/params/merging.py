"""Queries over one another: what a request says wins over a style, and a style over what lies below."""

from __future__ import annotations

from tilery.catalog.layer import Query

_RIVALS = (
    frozenset(("bidx", "expression")),
    frozenset(("colormap", "colormap_name")),
    frozenset(("algorithm", "algorithm_params")),
    frozenset(("resampling", "resampling_method")),
    frozenset(("assets", "asset_as_band")),
)
"""Parameters of which a request that gives one does not want the other from below."""


def over(upper: Query, lower: Query) -> Query:
    """Return the pairs of ``upper``, and those of ``lower`` that they leave alone."""
    names = {name for name, _ in upper}
    hidden = names.union(*(rivals for rivals in _RIVALS if rivals & names))
    return (*(pair for pair in lower if pair[0] not in hidden), *upper)
