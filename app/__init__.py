"""Tilery: a tile server for rasters."""

__version__ = "0.1.0"
"""Also part of every ETag: a new version may answer with other bytes."""
