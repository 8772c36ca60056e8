"""Our own reader of tiled GeoTIFFs: header, codecs, a cache of decoded blocks, sampling.

What it does not take (strips, rare codecs and sample types, resamplings that only GDAL knows) is read by
`app.reading.gdal`.
"""
