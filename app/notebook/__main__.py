"""``python -m app.notebook``: the server of a kernel, which starts it and speaks to it on standard input."""

from __future__ import annotations

from app.config import settings
from app.process import native

native.prepare(settings.process())

from app.notebook.process import main  # noqa: E402 - the libraries it loads have to be told before

if __name__ == "__main__":
    main()
