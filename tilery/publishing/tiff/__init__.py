"""GeoTIFFs written by ourselves: blocks compressed by all cores with fast codecs, copied into the file to publish."""
