"""The folder where a publish does its work, and what it remembers of steps that are done.

A step counts as done when its mark says so and its files have the sizes that the mark says. So whatever killed the last
run, and at whatever moment, the next one begins with the first step that is not done; and a run with another source or
other options begins from nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tilery.errors import CatalogError, Conflict, StoreFull
from tilery.storage import file_errors


class Workplace:
    """Files and marks of one publish."""

    def __init__(self, folder: Path) -> None:
        """Use `opened`, which also sees to it that nobody else works here."""
        self.folder = folder
        self._marks: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, key: str) -> Iterator[Workplace]:
        """The folder, for this process alone; emptied when it was used for something else.

        Args:
            folder: made when it is not there.
            key: what is published and how.

        Raises:
            Conflict: another process works here.
            CatalogError: nobody may write here, or there are files of somebody else.
        """
        with _lock_file(folder) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Conflict("This layer is being published by another process on this machine.") from None
            if not _is_lock_of(lock, folder):
                raise Conflict("Another process on this machine has just published this layer; try again.")
            place = cls(folder)
            place._load(key)
            yield place

    def path(self, name: str) -> Path:
        """Return the path of a file in here."""
        return self.folder / name

    def recall(self, step: str) -> dict[str, Any] | None:
        """Return what a step left behind, when it is done."""
        mark = self._marks.get("steps", {}).get(step)
        if mark is None:
            return None
        for name, size in mark["files"].items():
            path = self.path(name)
            if not path.exists() or path.stat().st_size != size:
                return None
        found: dict[str, Any] = mark["facts"]
        return found

    def done(self, step: str, files: list[str], facts: dict[str, Any] | None = None) -> None:
        """Mark the step as done, after its files have reached the disk."""
        sizes = {}
        for name in files:
            path = self.path(name)
            if path.exists():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                sizes[name] = path.stat().st_size
        self._marks.setdefault("steps", {})[step] = {"files": sizes, "facts": facts or {}}
        self._save()

    def drop(self, *names: str) -> None:
        """Remove files that no later step needs."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder, and empty folders around it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.parent.rmdir()
        except OSError:  # others work there
            return

    def _load(self, key: str) -> None:
        path = self.path("marks.json")
        try:
            marks = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if {entry.name for entry in self.folder.iterdir()} - {"lock", "marks.part"}:
                raise CatalogError(
                    "The folder to work in has files that are not of a publish; give another --work.",
                    private=str(self.folder),
                ) from None
            marks = {}
        except ValueError:
            marks = {}
        if marks.get("key") != key:
            for entry in self.folder.iterdir():
                if entry.name != "lock":
                    entry.unlink()
            marks = {"key": key, "steps": {}}
        self._marks = marks
        self._save()

    def _save(self) -> None:
        part = self.path("marks.part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(self._marks, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path("marks.json"))


def _lock_file(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "lock").open("ab")
    except FileNotFoundError as error:  # its parents were made, so there is none to make
        raise CatalogError(
            "No folder to work in can be made there; give another --work.", private=str(error)
        ) from error
    except OSError as error:
        said = file_errors.sentence(error.errno, place="The folder to work in").rstrip(".")
        kind = StoreFull if error.errno in file_errors.FULL else CatalogError
        raise kind(f"{said}; give another --work.", private=str(error)) from error


def _is_lock_of(lock: IO[bytes], folder: Path) -> bool:
    """Return whether the file is the folder's lock; not where whoever had it removed the folder in between."""
    try:
        return os.path.samestat((folder / "lock").stat(), os.fstat(lock.fileno()))
    except FileNotFoundError:
        return False
