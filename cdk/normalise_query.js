// Keeps the query parameters that the service has, sorted, so that one tile has one key in the cache.
// A parameter that is not in the list never reaches the cache nor the service. Values keep their encoding and their order.
var PARAMETERS = Object.create(null);
[
  'access_token', 'algorithm', 'algorithm_params', 'asset_as_band', 'assets', 'bbox', 'bidx', 'buffer', 'c', 'categorical',
  'color_formula', 'colormap', 'colormap_name', 'coord_crs', 'dst_crs', 'dst-crs', 'coord-crs', 'bounds-crs', 'bounds_crs',
  'expires', 'expression', 'f', 'format', 'geom-densify-pixels', 'height', 'histogram_bins', 'histogram_range', 'layers',
  'limit', 'max_size', 'maxzoom', 'minzoom', 'nodata', 'offset', 'p', 'padding', 'pixel_selection', 'request', 'reproject',
  'resampling', 'rescale', 'return_mask', 'service', 'signature', 'sort', 'style', 'styles', 'tile_format', 'tile_scale',
  'tilesize', 'tilematrix', 'tilematrixset', 'tilecol', 'tilerow', 'layer', 'unscale', 'url', 'use_epsg', 'version', 'width',
  'with_zooms', 'wkt', 'numberMatched', 'crs', 'v'
].forEach(function (name) { PARAMETERS[name] = true; });

function handler(event) {
  var request = event.request;
  var kept = {};
  Object.keys(request.querystring)
    .filter(function (name) { return PARAMETERS[name] || PARAMETERS[name.toLowerCase()]; })
    .sort()
    .forEach(function (name) { kept[name] = request.querystring[name]; });
  request.querystring = kept;
  return request;
}
