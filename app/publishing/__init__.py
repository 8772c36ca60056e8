"""A raster goes in, a layer comes out: zoom, transcode, warp, overviews, check, statistics, document, publish."""
