"""Rasters opened and read: the only place that opens them. Every verb ends as one grid of pixels to fill."""
