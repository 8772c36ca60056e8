"""Rasters prepared and put where the service finds them as layers."""
