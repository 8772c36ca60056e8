
// The same tile below /tiles/, where it is in the bucket, is the same.
// For paths that the bucket of finished tiles answers first. It keeps tiles that say nothing but a place, and would take no
// notice of parameters: what has any goes by another path of the same tile, which no bucket has.
var TILE = /^\/(?:tiles\/)?((?:[a-z0-9][a-z0-9_-]*\/)*[a-z0-9][a-z0-9_-]*)\/([0-9]+\/[0-9]+\/[0-9]+(@[0-9]+x)?\.[a-z0-9]+)$/;

function handler(event) {
  var request = normalise(event);
  var tile = TILE.exec(request.uri);
  if (tile) {
    var asks = Object.keys(request.querystring).length;
    request.uri = asks ? '/layers/' + tile[1] + '/tiles/WebMercatorQuad/' + tile[2] : '/' + tile[1] + '/' + tile[2];
  }
  return request;
}
