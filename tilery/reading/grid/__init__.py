"""Grids filled from blocks, whatever the format of the file: coordinates, sampling, kernels, cache."""
