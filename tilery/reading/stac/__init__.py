"""STAC Items as sources: the item, what is chosen of its assets, and the chosen assets read as one raster."""
