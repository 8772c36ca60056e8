"""What is wrong with the environment, as far as this machine can tell before anything is served.

`app.config.settings` says what is no value of a setting. Here: variables that are no setting, folders and files
that are not there, stores of a kind that there is not. Nothing is asked over the net.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from app.config import versions
from app.config.environment import WrongVariables
from app.config.settings import Settings
from tilery.did_you_mean import hint
from tilery.storage import file_errors
from tilery.storage.objects.directory import DirectoryStore
from tilery.storage.policy import Policy, WrongSourcesError, without_secrets

_OTHERS = ("TILERY_STACK_", "TILERY_TEST_", "TILERY_CONTAINER")
"""What variables that are no settings of the service begin with: those of the stacks, and of the tests."""
_OF_PROCESS = frozenset(("HOST", "PORT", "BIND", "WEB_CONCURRENCY", "MAX_WORKERS", "TIMEOUT", "KEEP_ALIVE"))
"""Variables of `app.process.gunicorn_conf` that somebody may give our prefix."""


def unknown(*places: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with variables that begin as ours do and are no setting, by their names.

    Args:
        places: the environment, and what is written in ``.env``.
    """
    own = {name for variable in Settings.variables() for name in variable.names if name.startswith("TILERY_")}
    names = {name for place in places for name in place if name.upper().startswith("TILERY_")}
    return {name: _unknown(name, own) for name in sorted(names - own) if not name.startswith(_OTHERS)}


def _unknown(name: str, known: Iterable[str]) -> str:
    bare = name[len("TILERY_") :].upper()
    found = f" It is called {bare}." if bare in _OF_PROCESS else hint(name, known)
    return f"there is no such setting.{found}"


def checked(settings: Settings) -> Settings:
    """Return the settings, where they can be served with on this machine.

    Raises:
        WrongVariables: they cannot.
    """
    if wrong := problems(settings) | versions.problems():
        raise WrongVariables(wrong)
    return settings


def problems(settings: Settings) -> dict[str, str]:
    """Return what cannot be served with these settings on this machine, by the variable to change."""
    found = {
        "TILERY_SOURCES": _told(lambda: _sources(settings.sources)),
        "TILERY_CATALOG": _told(lambda: store(settings.catalog or "", must_exist=True)) if settings.catalog else None,
        "TILERY_TILE_STORE": _told(lambda: store(settings.tile_store or "")) if settings.tile_store else None,
        "TILERY_TEMPLATE_DIRECTORY": _told(lambda: _folder(settings.template_directory)),
        "TILERY_TILE_MATRIX_SET_DIRECTORY": _told(lambda: _folder(settings.tile_matrix_set_directory)),
        "TILERY_COLORMAP_DIRECTORY": _told(lambda: _folder(settings.colormap_directory)),
    }
    return {variable: wrong for variable, wrong in found.items() if wrong}


def _told(check: Callable[[], str | None]) -> str | None:
    """Return what a check says; or why it cannot be made, as below a folder that this user may not look into."""
    try:
        return check()
    except OSError as error:
        return file_errors.sentence(error.errno, place=f"'{error.filename}'", use="read")


def _folder(path: str | None) -> str | None:
    return absent(path) if path and not Path(path).is_dir() else None


def store(address: str, *, must_exist: bool = False) -> str | None:
    """Return what is wrong with the address of a store, None where nothing is.

    Args:
        address: a directory or ``s3://bucket/prefix/``.
        must_exist: whether it is a catalog's: the directory has to be there already, and to be one that may be read.
    """
    if address.startswith("s3://"):
        return _refused(address)
    if "://" in address:
        return f"{without_secrets(address)!r} is neither a directory nor s3://bucket/prefix/."
    root = DirectoryStore.at(address).root
    if must_exist and (wrong := _refused(str(root))):
        return wrong
    return absent(root) if not root.is_dir() and (must_exist or root.exists()) else None


def _refused(prefix: str) -> str | None:
    try:
        Policy().with_catalog(prefix)
    except WrongSourcesError as error:
        return refusal(error)
    return None


def refusal(error: WrongSourcesError) -> str:
    """Return a sentence of an error that has no name of a variable in it."""
    reason = error.reason.removeprefix("This is not the address of a source: ").rstrip(".")
    of_it = reason.partition(" ")[0] in ("is", "has", "begins", "names")  # else it is a whole sentence
    return f"'{error.entry}' {reason}." if of_it else f"'{error.entry}': {reason}."


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
            return refusal(error)
    return None
