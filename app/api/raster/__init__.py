"""The verbs of any raster, however it is named: tile, preview, part, feature, point, statistics, info."""
