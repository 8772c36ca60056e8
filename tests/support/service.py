"""The application as a client in the same process sees it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from app.api.app import create_app
from app.config.settings import Settings


def client(*sources: Path | str, **settings: Any) -> TestClient:
    """Return a client of a new application that may read these sources; its own settings win over the environment's."""
    app = create_app(Settings(_env_file=None, sources=",".join(map(str, sources)), **settings))
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


def pixels(body: bytes) -> NDArray[Any]:
    """Return a picture's pixels, shape (rows, columns) or (rows, columns, channels), as an independent decoder sees
    them.
    """
    image: Image.Image = Image.open(io.BytesIO(body))
    if image.mode == "P":
        image = image.convert("RGBA")
    return np.asarray(image)


def array(body: bytes) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the bands of an npy body, and its last one, the mask, as True where valid."""
    found: NDArray[Any] = np.load(io.BytesIO(body))
    return found[:-1], found[-1] > 0
