"""Which planes of a variable are its bands: what is selected along the dimensions that do not run across or down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilery.errors import InvalidParameter
from tilery.geo.raster import Array
from tilery.limits import deadline
from tilery.reading.zarr import place, selecting
from tilery.reading.zarr.group import Group
from tilery.reading.zarr.metadata import ArrayMetadata
from tilery.reading.zarr.selecting import Selector
from tilery.reading.zarr.stored import Json

MOST = 1 << 16
"""Bands of a variable: more are to be selected from."""
_LONGEST_LABEL = 128
"""Characters of the name of a band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The bands of a variable."""

    planes: tuple[tuple[int, ...], ...]
    """Of each band the position along each of the other dimensions."""
    labels: tuple[str, ...]
    """Values of the dimension that is left; of a single plane the value that was selected first, or its name."""
    dimension: str | None
    """The dimension that is left; None where none is."""
    attributes: Json
    """Of its coordinate."""


def of(group: Group, array: ArrayMetadata, across: Sequence[int], select: Sequence[Selector]) -> Bands:
    """Return the bands that selectors leave of a variable.

    Args:
        group: that holds its coordinates.
        array: the variable.
        across: the dimensions that run across and down.
        select: what is chosen along the others.

    Raises:
        InvalidParameter: there is no such dimension or value, or more than one dimension is left.
    """
    others = [axis for axis in range(len(array.shape)) if axis not in across]
    chosen = {}
    for selector in select:
        named = [axis for axis in others if array.dimensions[axis] == selector.dimension]
        if not named:
            raise InvalidParameter(
                f"The variable {array.name[:64]!r} has no dimension {selector.dimension[:64]!r} to select from."
                + _list([array.dimensions[axis] for axis in others]),
                parameter="sel",
            )
        chosen[named[0]] = selector
    kept = [axis for axis in others if axis not in chosen or len(chosen[axis].values) > 1]
    if len(kept) > 1:
        names = [array.dimensions[axis] for axis in kept]
        raise InvalidParameter(
            f"The variable {array.name[:64]!r} has more dimensions than a picture with bands: give a value of "
            f"{' or '.join(name[:64] for name in names)} as sel={names[0][:64]}=….",
            parameter="sel",
        )
    single: dict[int, int] = {}
    along: tuple[int, ...] = (0,)
    labels: tuple[str, ...] = ()
    attributes: Json = {}
    for axis in others:
        selector_ = chosen.get(axis)
        _check_number(array.shape[axis] if selector_ is None else len(selector_.values))
        values, said, labelled = place.index(group, array, axis)
        places = (
            tuple(range(array.shape[axis]))
            if selector_ is None
            else selecting.positions(selector_, values, labelled=labelled)
        )
        if axis in kept:
            along, labels, attributes = places, _labels(values, places), said
        else:
            single[axis] = places[0]
    if not kept:
        labels = _labels_of_single(group, array, single)
    planes = tuple(tuple(at if axis in kept else single[axis] for axis in others) for at in along)
    dimension = array.dimensions[kept[0]] if kept else None
    return Bands(planes=planes, labels=labels, dimension=dimension, attributes=attributes)


def _labels(values: Array, places: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(values[at])[:_LONGEST_LABEL] for at in deadline.paced(places, 1024))


def _labels_of_single(group: Group, array: ArrayMetadata, single: dict[int, int]) -> tuple[str, ...]:
    """Return the name of the only band, as rio-tiler chooses it: the value of the first coordinate by name."""
    for axis in sorted(single, key=lambda axis: array.dimensions[axis]):
        values, _, labelled = place.index(group, array, axis)
        if labelled:
            return _labels(values, [single[axis]])
    return (array.name,)


def _check_number(count: int) -> None:
    if not 0 < count <= MOST:
        raise InvalidParameter(
            f"The variable has {count} planes along a dimension; at most {MOST} can be bands. Select by sel.",
            parameter="sel",
            limit=MOST,
        )


def _list(names: Sequence[str]) -> str:
    return f" It has: {', '.join(name[:64] for name in names)}." if names else ""
