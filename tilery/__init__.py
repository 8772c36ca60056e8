"""Raster in, tile out: the engine of Tilery as a library. No HTTP, no environment variables.

The service around it is the package `app`, which this one never imports.
"""

__version__ = "0.1.0"
"""Also part of every ETag: a new version may answer with other bytes."""
