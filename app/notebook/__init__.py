"""The server behind `tilery.open`: one process for each kernel, on loopback, for the rasters that were opened there."""
