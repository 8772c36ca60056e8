"""GeoTIFF read without GDAL: its header, what that says of the raster, and the codecs of its blocks."""
