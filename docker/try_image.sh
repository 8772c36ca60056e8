#!/usr/bin/env bash
# Starts an image as a deployment does (read-only, no capabilities, the memory of a small task) and asks it ten things.
#
#     bash docker/try_image.sh tilery
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
layers=${LAYERS:-$PWD/.demo}
container=$(docker run -d --rm --read-only --tmpfs /tmp --cap-drop ALL --memory 1g -p 127.0.0.1:0:80 \
  -v "$layers:/layers:ro" -e TILERY_CATALOG=/layers "$image")
finish() {
  status=$?
  [ "$status" = 0 ] || docker logs --tail 40 "$container" >&2
  docker stop -t 20 "$container" >/dev/null
}
trap finish EXIT
port=$(docker port "$container" 80/tcp | sed -n '1s/.*://p')
python3 -m tests.deployed.smoke --url "http://127.0.0.1:$port" --wait 60
