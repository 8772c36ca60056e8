"""What all tests share."""

from __future__ import annotations

import os

from app import native

native.prepare(os.environ)  # as whoever starts a server does
