"""A raster becomes a layer: what ``tilery publish`` does, by that command, which looks at the styles as well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tilery.errors import CatalogError
from tilery.notebook.style import Query
from tilery.notebook.tiles import command


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLayer:
    """A layer that was published."""

    id: str
    """What addresses call it."""
    catalog: str
    """Directory or ``s3://bucket/prefix/``: what ``tilery serve --catalog`` takes."""
    path: str
    """Of its tiles, below a server's address: ``/dem/{z}/{x}/{y}.png``."""


def publish(source: str, layer_id: str, catalog: str, render: Query, options: Mapping[str, Any]) -> PublishedLayer:
    """Return the layer, after everybody can see it; what is done meanwhile is written to standard error.

    Args:
        source: address of the raster.
        layer_id: letters, digits, ``_`` and ``-``.
        catalog: where the layers are.
        render: parameters for requests that give none; empty: chosen from the data.
        options: those of the command, as ``{"name": "Height", "profile": "zstd"}``.

    Raises:
        CatalogError: nothing was published, and whatever was there before is untouched; the text says why.
    """
    arguments = ["publish", source, "--to", catalog, "--id", layer_id]
    if render:
        arguments += ["--render", urlencode(render)]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        arguments += [option] if value is True else [option, str(value)] if value not in (None, False) else []
    process = subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
        command("app", *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said: list[str] = []
    try:
        if process.stderr is not None:
            for line in process.stderr:
                said.append(line.rstrip())
                sys.stderr.write(line)
        path = process.stdout.read().strip() if process.stdout is not None else ""
        status = process.wait()
    except BaseException:  # an interrupt has reached the command as well, which ends by itself
        process.wait()
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if status:
        told = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
        raise CatalogError(" ".join(told) or "\n".join(said[-3:]) or "The layer was not published.")
    return PublishedLayer(id=layer_id, catalog=catalog, path=path)


def address(catalog: str | os.PathLike[str]) -> str:
    """Return a catalog as the command takes it: a directory by its whole path."""
    text = os.fspath(catalog)
    return text if "://" in text else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 (links stay)
