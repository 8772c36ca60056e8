"""S3 by obstore: the one place that makes clients, for rasters, layers and finished tiles alike."""
