"""Names of the values of a band, from the description that GDAL keeps beside a raster: ``.aux.xml``.

They are category names, by position from 0, or those of a raster attribute table
(https://gdal.org/user/raster_data_model.html#raster-attribute-table). Nothing else of such a file counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

from tilery.limits import deadline

MOST_BYTES = 1 << 20
"""Of a file that is looked into."""
_AT_ONCE = 1 << 14
"""Characters that are parsed before others have their turn."""
PARSED = 32
"""Bytes of memory that one byte of such a file takes at most."""
_MOST = 4096
"""Names of a band."""
_LONGEST = 200
_NAME, _MIN, _VALUE = "2", "3", "5"
"""GDAL's numbers of what a column is: a name, the least value, or the only one."""
_USUAL = {_NAME: ("class_name", "classname", "class", "category", "label", "name"), _VALUE: ("value",)}
"""What columns are called whose use is not said."""

ClassNames = Mapping[int, Mapping[float, str]]
"""Names by value, by band."""


def parsed(document: bytes) -> ClassNames:
    """Return the names that a description has; none where it is no such document."""
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        return {}
    if len(document) > MOST_BYTES or "<!DOCTYPE" in text:  # whose entities could grow without end
        return {}
    parser = ET.XMLParser()  # noqa: S314 - small, and without entities of its own
    try:
        for start in deadline.paced(range(0, len(text), _AT_ONCE), 1):
            parser.feed(text[start : start + _AT_ONCE])
        root = parser.close()
    except (ET.ParseError, ValueError):
        return {}
    found = {}
    for element in root.iter("PAMRasterBand"):
        number = element.get("band", "")
        names = _categories(element) | _table(element)
        if number.isascii() and number.isdecimal() and names:
            found[int(number[:6])] = dict(list(names.items())[:_MOST])
    return found


def beside(path: Path) -> ClassNames:
    """Return the names that are said beside a file of this machine."""
    with suppress(OSError):
        described = path.with_name(f"{path.name}.aux.xml")
        if described.stat().st_size <= MOST_BYTES:
            return parsed(described.read_bytes())
    return {}


def written(names: Mapping[float, str]) -> dict[str, str]:
    """Return names by value as JSON has them."""
    return {f"{value:.15g}": name for value, name in names.items()}


def _shortened(text: str | None) -> str:
    return " ".join((text or "").split())[:_LONGEST]


def _categories(band: ET.Element) -> dict[float, str]:
    named = enumerate(band.findall("CategoryNames/Category"))
    return {float(value): name for value, element in named if (name := _shortened(element.text))}


def _table(band: ET.Element) -> dict[float, str]:
    table = band.find("GDALRasterAttributeTable")
    if table is None:
        return {}
    columns = [
        (field.findtext("Usage", ""), field.findtext("Name", "").strip().lower())
        for field in table.findall("FieldDefn")
    ]
    name, value = _column(columns, _NAME), _column(columns, _VALUE)
    if value is None:
        value = _column(columns, _MIN)
    first, step = _number(table.get("Row0Min")), _number(table.get("BinSize"))
    found = {}
    for number, row in enumerate(table.findall("Row")):
        cells = [cell.text for cell in row.findall("F")]
        if name is None or name >= len(cells):
            continue
        if value is not None:
            of_row = _number(cells[value]) if value < len(cells) else None
        else:
            of_row = None if first is None or step is None else first + number * step
        if of_row is not None and (text := _shortened(cells[name])):
            found[of_row] = text
    return found


def _column(columns: list[tuple[str, str]], usage: str) -> int | None:
    """Return the position of the column of this use, or of the usual name."""
    for position, (said, _) in enumerate(columns):
        if said == usage:
            return position
    called = [called for _, called in columns]
    return next((called.index(usual) for usual in _USUAL.get(usage, ()) if usual in called), None)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
