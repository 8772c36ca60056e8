"""What is wrong with the environment, as far as this machine can tell before anything is served.

`app.config.settings` says what is no value of a setting. Here: variables that are no setting, folders and files that are
not there, stores of a kind that there is not. Nothing is asked over the net.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.config.settings import Settings
from tilery.errors import InvalidParameter
from tilery.nearest import hint
from tilery.storage.objects import open_store
from tilery.storage.objects.directory import DirectoryStore
from tilery.storage.policy import Policy, WrongSourcesError

_OTHERS = ("TILERY_STACK_", "TILERY_TEST_", "TILERY_CONTAINER")
"""What variables that are no settings of the service begin with: those of the stacks, and of the tests."""
_FOLDERS = (
    ("TILERY_TEMPLATE_DIRECTORY", "template_directory"),
    ("TILERY_TILE_MATRIX_SET_DIRECTORY", "tile_matrix_set_directory"),
    ("TILERY_COLORMAP_DIRECTORY", "colormap_directory"),
)


def unknown(*places: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with variables that begin as ours do and are no setting, by their names.

    Args:
        places: the environment, and what is written in ``.env``.
    """
    known = {name for variable in Settings.variables() for name in variable.names if name.startswith("TILERY_")}
    names = {name for place in places for name in place if name.upper().startswith("TILERY_")}
    return {
        name: f"there is no such setting.{hint(name, known)}"
        for name in sorted(names - known)
        if not name.startswith(_OTHERS)
    }


def problems(settings: Settings) -> dict[str, str]:
    """Return what cannot be served with these settings on this machine, by the variable to change."""
    found = {}
    if wrong := _sources(settings.sources):
        found["TILERY_SOURCES"] = wrong
    if settings.catalog and (wrong := _catalog(settings.catalog)):
        found["TILERY_CATALOG"] = wrong
    if settings.tile_store and (wrong := store(settings.tile_store)):
        found["TILERY_TILE_STORE"] = wrong
    for variable, field in _FOLDERS:
        folder = getattr(settings, field)
        if folder and not Path(folder).is_dir():
            found[variable] = absent(folder)
    return found


def store(address: str, *, must_exist: bool = False) -> str | None:
    """Return what is wrong with the address of a store, None where nothing is.

    Args:
        address: a directory or ``s3://bucket/prefix/``.
        must_exist: whether the directory has to be there already.
    """
    try:
        opened = open_store(address)
    except InvalidParameter:
        return f"{address!r} is neither a directory nor s3://bucket/prefix/."
    if not isinstance(opened, DirectoryStore):
        return None
    if opened.root.exists() and not opened.root.is_dir():
        return f"{opened.root} is a file, and it has to be a directory."
    return absent(opened.root) if must_exist and not opened.root.exists() else None


def absent(path: str | Path) -> str:
    """Return the sentence that says that something is not there, with the name beside it that may have been meant."""
    path = Path(path).absolute()
    if path.exists():
        return f"{path} is a file, and it has to be a directory."
    parent = next(folder for folder in path.parents if folder.exists())
    missing = path.relative_to(parent).parts[0]
    return f"there is no {parent / missing}.{hint(missing, _names(parent))}"


def _names(folder: Path) -> Iterable[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names alone
    except OSError:
        return ()


def _sources(entries: Iterable[str]) -> str | None:
    for entry in entries:
        try:
            Policy.from_sources([entry])
        except WrongSourcesError as error:
            path = Path(entry)
            if path.is_absolute() and not path.exists():
                return absent(path)
            return f"{entry!r} {error.reason.rstrip('.')}."
    return None


def _catalog(address: str) -> str | None:
    if wrong := store(address, must_exist=True):
        return wrong
    try:
        Policy().with_catalog(open_store(address).address)
    except WrongSourcesError as error:
        return f"{address!r} {error.reason.rstrip('.')}."
    return None
