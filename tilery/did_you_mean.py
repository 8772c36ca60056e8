"""The right name that a mistyped one was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 64
"""Characters of a mistyped name at most: what is longer is no name, and comparing it would take long."""
_MOST = 500
"""Names that are compared at most; of more, only those that begin with the same letter."""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word was meant to be, whatever its case; None where none is like it."""
    if not word or len(word) > LONGEST:
        return None
    known = {name.casefold(): name for name in names}
    if len(known) > _MOST:
        known = {folded: name for folded, name in known.items() if folded[:1] == word[:1].casefold()}
        if len(known) > _MOST:
            return known.get(word.casefold())
    found = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.65)
    return known[found[0]] if found else None


def hint(word: str, names: Iterable[str]) -> str:
    """Return `` Did you mean 'viridis'?`` to put behind a sentence; nothing where no name is like the word."""
    found = nearest(word, names)
    return "" if found is None else f" Did you mean '{found}'?"
