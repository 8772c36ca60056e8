"""``python -m app`` is ``tilery``."""

from __future__ import annotations

import os

from app.process import native

with native.loading(os.environ):
    from app.cli import main

if __name__ == "__main__":
    main()
