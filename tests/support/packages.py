"""Lists of packages, read, and folders with what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

LISTS = Path(__file__).parents[2] / "requirements"


def declared(name: str) -> set[str]:
    """Return packages that a list in ``requirements/`` asks for."""
    lines = (line.partition("#")[0].strip() for line in (LISTS / name).read_text().splitlines())
    return {re.split(r"[<>=~\[]", line)[0].strip() for line in lines if line and not line.startswith("-")}


def link_needed(requirements: Iterable[str], folder: Path) -> None:
    """Link what packages need, and what that needs, into a folder, and nothing of all else that is installed here.

    Args:
        requirements: as ``Requires-Dist`` of a wheel has them; those of extras are left out.
        folder: where packages of an environment lie.
    """
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    wanted = [(Requirement(text), frozenset({""})) for text in requirements]
    while wanted:
        requirement, extras = wanted.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        key = (requirement.name.lower(), frozenset({"", *requirement.extras}))
        if key not in found:
            found[key] = distribution(requirement.name)
            wanted += [(Requirement(text), key[1]) for text in found[key].requires or ()]
    for package in found.values():
        for file in package.files or ():
            if file.parts[0] != ".." and not (place := folder / file).exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(str(package.locate_file(file)))
