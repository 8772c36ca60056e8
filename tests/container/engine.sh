#!/usr/bin/env bash
# Installs (Debian: docker.io) and starts a real Docker engine on a machine without systemd, as root; or stops the one that
# this script started.
#   engine.sh up | down
# The engine listens on the default socket, so plain `docker` finds it. About 25 s the first time, 2 to 3 s after.
set -euo pipefail
state=${STATE_DIR:-/run/tilery-docker}
sock=/var/run/docker.sock
case ${1:-up} in
up)
  if docker -H "unix://$sock" version >/dev/null 2>&1; then echo "already up"; exit 0; fi
  if ! command -v dockerd >/dev/null; then
    apt-get update -qq || true
    apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends docker.io docker-compose iptables mmdebstrap >/dev/null
  fi
  mkdir -p "$state"
  # cgroupfs: there may be no systemd to ask. No default ulimits: raising one needs a capability that root may not have.
  printf '{"exec-opts":["native.cgroupdriver=cgroupfs"],"log-level":"warn"}\n' > "$state/daemon.json"
  setsid nohup dockerd --config-file "$state/daemon.json" --pidfile "$state/dockerd.pid" \
    >"$state/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 150); do
    docker -H "unix://$sock" version >/dev/null 2>&1 && { echo "started"; exit 0; }
    sleep 0.2
  done
  tail -20 "$state/dockerd.log" >&2; exit 1 ;;
down)
  [ -s "$state/dockerd.pid" ] || { echo "not started by this script"; exit 0; }
  pid=$(cat "$state/dockerd.pid"); kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  rm -f "$state/dockerd.pid"; echo stopped ;;
*) sed -n 2,6p "$0"; exit 2 ;;
esac
