"""``/cog``: one raster, named by ``url``, as tiles, pictures, documents and numbers."""
