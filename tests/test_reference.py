"""The reference says of every public name what its arguments are; pages and their navigation are whole."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LISTED = sorted(
    {
        name
        for page in (DOCS / "reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
)
"""What the pages of the reference are made of."""
CONVENTIONAL = {"self", "cls", "include", "exclude"}


def resolved(name: str) -> Any:
    """Return the object of a dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"there is no {name}")


def members(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the object of that name, and its own public members."""
    found = resolved(name)
    yield name, found
    if inspect.isclass(found) or inspect.ismodule(found):
        for key, value in vars(found).items():
            own = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if key.startswith("_") or getattr(own, "__module__", None) != getattr(found, "__module__", found.__name__):
                continue
            if inspect.isfunction(own) or inspect.isclass(own):
                yield f"{name}.{key}", own


SHARED = {name: inspect.getdoc(resolved(name)) or "" for name in LISTED}
"""Docstrings of classes, which may say what arguments of several verbs are."""
PUBLIC = dict(member for name in LISTED for member in members(name))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_says_what_it_takes_and_raises(name: str) -> None:
    found = PUBLIC[name]
    text = inspect.getdoc(found) or ""
    assert text, f"{name} has no docstring"
    if inspect.isclass(found):
        text += inspect.getdoc(found.__init__) or ""
        assert not (missing := undescribed_fields(found)), f"{name}: {missing} are not described"
        return
    if not inspect.isfunction(found):
        return
    text += SHARED.get(name.rpartition(".")[0], "")
    missing = [
        parameter
        for parameter in inspect.signature(found).parameters
        if parameter not in CONVENTIONAL and not re.search(rf"\b{parameter}\b", text)
    ]
    assert not missing, f"{name} does not say what {missing} are"
    assert not (unsaid := raised(found) - set(re.findall(r"\w+", text))), f"{name} does not say that it raises {unsaid}"


UNITS = {
    r"bytes|memory": "byte|MB|GB",
    r"seconds|timeout": "second",
    r"width": "column|pixel",
    r"height": "row|pixel",
    r"size|buffer|padding": "pixel",
    r"bounds|bbox": "left, bottom|west, south|units|degrees",
    r"lon|lat": "longitude|latitude|x|y",
}
"""What is said of arguments and fields of such names, one of these words."""


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_shapes_and_units_are_said(name: str) -> None:
    """Of a function, by itself or by its class; of a field, below it."""
    found = PUBLIC[name]
    if inspect.isfunction(found):
        text = (inspect.getdoc(found) or "") + SHARED.get(name.rpartition(".")[0], "")
        types = {key: str(value) for key, value in inspect.get_annotations(found).items()}
        said = dict.fromkeys(types, text)
    elif hasattr(found, "__dataclass_fields__"):
        said = described_fields(found)
        types = {key: str(found.__dataclass_fields__[key].type) for key in said}
    else:
        return
    for key, type_ in types.items():
        if re.search(r"Array\b", type_):
            assert re.search(r"shape|\(band, y, x\)", said[key]), f"{name} does not say which shape {key} has"
        for pattern, units in UNITS.items():
            if re.fullmatch(rf"(.*_)?({pattern})", key) and re.search(r"int|float|Bounds|Box", type_):
                assert re.search(units, said[key], re.IGNORECASE), f"{name} does not say in what {key} is counted"


def undescribed_fields(found: type) -> list[str]:
    """Return fields of a dataclass without a docstring below them."""
    described = described_fields(found)
    fields = getattr(found, "__dataclass_fields__", ())
    return [name for name in fields if not name.startswith("_") and name not in described]


def described_fields(found: type) -> dict[str, str]:
    """Return docstrings below the fields of a dataclass."""
    if not hasattr(found, "__dataclass_fields__"):
        return {}
    (node,) = ast.parse(inspect.getsource(found)).body
    assert isinstance(node, ast.ClassDef)
    return {
        before.target.id: str(after.value.value)
        for before, after in zip(node.body, node.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


def raised(function: Any) -> set[str]:
    """Return names of the exceptions that a function itself raises."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    return {
        raising.exc.func.id
        for raising in ast.walk(tree)
        if isinstance(raising, ast.Raise)
        and isinstance(raising.exc, ast.Call)
        and isinstance(raising.exc.func, ast.Name)
        and raising.exc.func.id[0].isupper()
    }


class _Yaml(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Reads mkdocs.yml, which names functions of Python."""


_Yaml.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)


def navigated(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else (entry,):
            if isinstance(value, list):
                yield from navigated(value)
            else:
                yield value


def test_every_page_is_in_the_navigation() -> None:
    configuration = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Yaml)
    assert sorted(navigated(configuration["nav"])) == sorted(
        page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")
    )


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_of_pages_lead_to_what_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / place).resolve() if place else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name} links to {target}"
