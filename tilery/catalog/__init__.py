"""Layers: rasters with a name, render parameters and styles, as documents in a store."""
