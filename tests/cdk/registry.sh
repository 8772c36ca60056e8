#!/usr/bin/env bash
# A container registry on loopback that answers to the name the AWS emulator gives
# ECR, so that `cdk deploy` can `docker login` and `docker push` its image assets,
# and tasks can be pulled from it. Debian: docker-registry, openssl. Root (port 443).
#   registry.sh up | down | clean      (emulator running, AWS_ENDPOINT_URL set)
set -euo pipefail
state=${STATE_DIR:-/run/tilery-registry}
account=${AWS_ACCOUNT:-123456789012} region=${AWS_REGION:-us-east-1}
host=$account.dkr.ecr.$region.amazonaws.com
case ${1:-up} in
up)
  command -v docker-registry >/dev/null || apt-get install -y -q --no-install-recommends docker-registry >/dev/null
  mkdir -p "$state/data" "/etc/docker/certs.d/$host"
  [ -s "$state/cert.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host" -keyout "$state/key.pem" -out "$state/cert.pem" 2>/dev/null
  cp "$state/cert.pem" "/etc/docker/certs.d/$host/ca.crt"
  grep -q " $host\$" /etc/hosts || echo "127.0.0.1 $host" >> /etc/hosts
  cat > "$state/config.yml" <<Y
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/data}, delete: {enabled: true}}
http: {addr: "127.0.0.1:443", tls: {certificate: $state/cert.pem, key: $state/key.pem}}
Y
  setsid nohup docker-registry serve "$state/config.yml" >"$state/log" 2>&1 </dev/null & echo $! > "$state/pid"
  for _ in $(seq 50); do curl -sk "https://$host/v2/" >/dev/null && { echo "$host"; exit 0; }; sleep 0.1; done
  tail "$state/log" >&2; exit 1 ;;
down|clean)
  [ -s "$state/pid" ] && kill "$(cat "$state/pid")" 2>/dev/null || true; rm -f "$state/pid"
  [ "$1" = down ] || { rm -rf "$state" "/etc/docker/certs.d/$host"; sed -i "/ $host\$/d" /etc/hosts; } ;;
*) sed -n 2,5p "$0"; exit 2 ;;
esac
