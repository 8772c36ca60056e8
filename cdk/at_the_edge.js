// What CloudFront asks the cache and the service with, so that one tile has one key, whoever asks for it.
// Parameters that are not in the list reach neither the cache nor the service; the others are sorted, their values stay.
// Accept says only what the service chooses by, and nothing where the path or a parameter has chosen already.
// What the service cannot know otherwise is written down; whatever a visitor wrote there is replaced.
var PARAMETERS = Object.create(null);
[
  'access_signature', 'access_token', 'algorithm', 'algorithm_params', 'asset_as_band', 'asset_bidx',
  'asset_expression', 'asset_href', 'asset_media_type', 'asset_name', 'asset_roles', 'assets', 'bbox', 'bbox-crs',
  'bgcolor', 'bidx', 'bounds-crs', 'bounds_crs', 'buffer', 'c', 'categorical', 'center', 'center-crs', 'collection',
  'collection_url', 'color_formula', 'colormap', 'colormap_name', 'coord-crs', 'coord_crs', 'cover_scale', 'crs',
  'datetime', 'decode_times', 'dst-crs', 'dst_crs', 'exceptions', 'expires', 'expression', 'extensions', 'f',
  'folder', 'format', 'geom-densify-pixels', 'geometry_densify', 'geometry_precision', 'group', 'height',
  'histogram_bins', 'histogram_range', 'i', 'id', 'info_format', 'j', 'labels', 'layer', 'layers', 'limit',
  'max_size', 'maxzoom', 'minzoom', 'nodata', 'offset', 'orientation', 'p', 'padding', 'pixel_selection',
  'post_process', 'q', 'query_layers', 'reproject', 'request', 'resampling', 'rescale', 'return_mask', 'revision', 'samples',
  'scale', 'scale-denominator', 'sel', 'service', 'show_times', 'signature', 'skip_missing', 'sort', 'srs', 'strict', 'style',
  'styles', 'subset', 'subset-crs', 'theme', 'tile_format', 'tile_scale', 'tilecol', 'tilematrix', 'tilematrixset',
  'tilerow', 'tilesize', 'title', 'transparent', 'unscale', 'url', 'use_epsg', 'variable', 'variables', 'version',
  'width', 'with_eo', 'with_proj', 'with_raster', 'with_zooms', 'wkt', 'wmtver', 'x', 'y', 'zooms'
].forEach(function (name) { PARAMETERS[name] = true; });

var TYPES = /^(\*\/\*|text\/(\*|html)|application\/(\*|json|x-binary)|image\/(\*|jp2|jpeg|png|tiff|webp))$/;
var CHOSEN = /\.(png|pngraw|jpg|jpeg|webp|tif|tiff|npy|jp2|json|geojson|html|xml|js|css|map|svg|ico|txt|yaml)$|\/\d+\/\d+\/\d+(@\d+x)?$/i;

function accepted(text) {
  var kept = text.split(',').map(function (part) { return part.replace(/\s+/g, '').toLowerCase(); })
    .filter(function (part) { return TYPES.test(part.split(';')[0]); });
  return kept.sort().join(',');
}

function handler(event) {
  var request = event.request;
  var headers = request.headers || {};
  var kept = {};
  Object.keys(request.querystring)
    .filter(function (name) { return PARAMETERS[name] || PARAMETERS[name.toLowerCase()]; })
    .sort()
    .forEach(function (name) { kept[name] = request.querystring[name]; });
  request.querystring = kept;
  if (headers.accept) {
    var types = CHOSEN.test(request.uri) || kept.f || kept.format ? '' : accepted(headers.accept.value);
    if (types) headers.accept = { value: types };
    else delete headers.accept;
  }
  // an origin that CloudFront signs for gets CloudFront's signature in Authorization
  delete headers['x-viewer-authorization'];
  if (headers.authorization) headers['x-viewer-authorization'] = { value: headers.authorization.value };
  if (headers.host) headers['x-forwarded-host'] = { value: headers.host.value };
  if (event.viewer) headers['x-viewer-address'] = { value: event.viewer.ip };
  return request;
}
