"""Parameters of lists of what may be read."""

from __future__ import annotations

from app.api.params.kinds import Integer, Text
from app.api.params.parameter import Group, Parameter
from app.api.params.table import PAGE_FORMAT

MOST_FILES = 500
"""Entries of one list."""
SOURCE_LIST: Group = (
    Parameter(
        name="url",
        kind=Text(longest=8192),
        description="Address of a folder, with a slash at its end, or of a STAC document. All that may be read when "
        "not given.",
    ),
    Parameter(
        name="q",
        kind=Text(longest=256),
        description="Words that the paths of files below the folder have in them, whatever their case.",
    ),
    Parameter(
        name="limit", kind=Integer(above=0, most=MOST_FILES), default=100, description="Entries of one list at most."
    ),
    Parameter(
        name="after",
        kind=Text(longest=4096),
        description="Where the list begins: the `next` link of the one before says it.",
    ),
    PAGE_FORMAT,
)
