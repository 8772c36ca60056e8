"""Values of geography: coordinate reference systems, tile matrix sets, grids and rasters of pixels."""
