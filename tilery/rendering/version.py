"""The number that stands for what pictures look like, in every key of a cache."""

RENDER_VERSION = 1
"""Raise it when the same request gives another picture: kept tiles of the number before are then not found any more.

A test compares golden tiles, to remind of it (tests/serving/test_golden_tiles.py).
"""
