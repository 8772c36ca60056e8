"""The ways to name a raster, each a family of routes: by URL below ``/cog``, or as a layer of the catalog."""
