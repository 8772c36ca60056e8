"""Tilery: a tile server for rasters."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tilery")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0.0.0"
