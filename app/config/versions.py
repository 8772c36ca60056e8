"""Versions of libraries below which faults are known that a request or a raster can reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

LEAST: Mapping[str, tuple[str, str]] = {
    "rasterio": ("1.4.3", "GDAL 3.9, libtiff and PROJ that it brings have known faults"),
    "imagecodecs": ("2024.1.1", "the WebP that it brings writes beyond its memory (CVE-2023-4863)"),
    "starlette": ("1.0.1", "a path and a host can be taken for each other (CVE-2026-48710)"),
    "h11": ("0.16.0", "requests can be smuggled in chunked bodies (CVE-2025-43859)"),
    "jinja2": ("3.1.6", "templates can leave their sandbox (CVE-2025-27516)"),
    "certifi": ("2024.7.4", "authorities that were withdrawn are trusted (CVE-2024-39689)"),
}
"""The least version of each, and what is wrong with those before. What is not installed is not needed."""


def problems(installed: Callable[[str], str] = version) -> dict[str, str]:
    """Return what is wrong with installed versions, by the package. Imports none of them.

    Args:
        installed: tells the version of a package; raises `PackageNotFoundError` where there is none.
    """
    found = {}
    for package, (least, reason) in LEAST.items():
        try:
            has = installed(package)
        except PackageNotFoundError:
            continue
        if numbers(has) < numbers(least):
            found[package] = f"version {has} is installed: {reason}. Install {least} or newer."
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, up to its first letter."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text, maxsplit=1)[0]))
