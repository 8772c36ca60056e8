"""rio-tiler's reader over our engine: change one import, and a notebook reads its tiles faster.

    from tilery.rio_tiler import Reader  # was: from rio_tiler.io import Reader

`Reader` is `rio_tiler.io.Reader` with the same constructor, attributes, methods, results and exceptions. Only the
pixels come another way: through an `Engine`, which keeps files open and decoded blocks in memory from one reader to the
next. What that engine does not do is left to rio-tiler itself, so that nothing is missing; `docs/rio-tiler.md` says
what that is, and where pixels differ.

This is the only package of the library that needs rio-tiler, and nothing of the library needs this package.
"""

from tilery.rio_tiler.reader import Reader
from tilery.rio_tiler.shared import default_engine, stores_of

__all__ = ["Reader", "default_engine", "stores_of"]
