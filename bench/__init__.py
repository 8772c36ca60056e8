"""The benchmark: Tilery and TiTiler on the same machine, the same rasters, the same tiles, in turns."""
