"""A raster in a notebook: what `tilery.open` returns.

`OpenedRaster` measures and reads in this process, through the engine that `tilery.rio_tiler` has too. What has to be
looked at comes from a server: `Tiles` starts one for the process the first time that a map or an address of tiles is
asked for, speaks to it as any client does, and imports nothing of it.
"""

from tilery.notebook.map import Map
from tilery.notebook.opened import OpenedRaster, opened
from tilery.notebook.publishing import PublishedLayer

__all__ = ["Map", "OpenedRaster", "PublishedLayer", "opened"]
