"""Layers: named sources with styles, kept as one JSON document each in a directory or a bucket."""
