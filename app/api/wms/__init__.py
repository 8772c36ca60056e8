"""A Web Map Service of rasters, for desktop users: WMS 1.3.0 (OGC 06-042) and 1.1.1 (OGC 01-068r3)."""
