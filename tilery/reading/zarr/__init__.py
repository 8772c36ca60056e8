"""Array stores in Zarr, versions 2 and 3: groups, arrays and their chunks, with what CF says of them."""
