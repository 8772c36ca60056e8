"""Mosaics: many rasters as one, found by a MosaicJSON document, of which each pixel is chosen or counted."""
