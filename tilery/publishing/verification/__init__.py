"""What is asked of a raster that was made, before anybody is served it."""
