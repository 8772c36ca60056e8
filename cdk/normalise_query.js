// Keeps the query parameters that the service has, sorted, so that one tile has one key in the cache.
// A parameter that is not in the list never reaches the cache nor the service. Values keep their encoding and their order.
// The name that was asked for is written down for origins that see only their own; whatever a visitor wrote is replaced.
var PARAMETERS = Object.create(null);
[
  'access_token', 'algorithm', 'algorithm_params', 'asset_as_band', 'asset_bidx', 'asset_expression', 'asset_href',
  'asset_media_type', 'asset_name', 'asset_roles', 'assets', 'bbox', 'bbox-crs', 'bidx', 'bounds-crs', 'bounds_crs',
  'buffer', 'c', 'categorical', 'collection', 'collection_url', 'color_formula', 'colormap', 'colormap_name',
  'coord-crs', 'coord_crs', 'cover_scale', 'crs', 'datetime', 'dst-crs', 'dst_crs', 'expires', 'expression',
  'extensions', 'f', 'format', 'geom-densify-pixels', 'geometry_densify', 'geometry_precision', 'height',
  'histogram_bins', 'histogram_range', 'id', 'layer', 'layers', 'limit', 'max_size', 'maxzoom', 'minzoom', 'nodata',
  'offset', 'orientation', 'p', 'padding', 'pixel_selection', 'post_process', 'reproject', 'request', 'resampling',
  'rescale', 'return_mask', 'service', 'signature', 'sort', 'strict', 'style', 'styles', 'tile_format',
  'tile_scale', 'tilecol', 'tilematrix', 'tilematrixset', 'tilerow', 'tilesize', 'unscale', 'url', 'use_epsg',
  'version', 'width', 'with_eo', 'with_proj', 'with_raster', 'with_zooms', 'wkt', 'zooms'
].forEach(function (name) { PARAMETERS[name] = true; });

function handler(event) {
  var request = event.request;
  var kept = {};
  Object.keys(request.querystring)
    .filter(function (name) { return PARAMETERS[name] || PARAMETERS[name.toLowerCase()]; })
    .sort()
    .forEach(function (name) { kept[name] = request.querystring[name]; });
  request.querystring = kept;
  if (request.headers && request.headers.host) {
    request.headers['x-forwarded-host'] = { value: request.headers.host.value };
  }
  return request;
}
