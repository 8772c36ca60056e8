#!/usr/bin/env bash
# Makes local stand-ins for the official python:X.Y-slim images, so that the Dockerfile builds where no image registry is
# reachable: a Debian bookworm minbase, plus, under /usr/local as in the official image, the CPython X.Y that pyenv has.
# Without one, Debian's own python3.11 stands in (for X.Y = 3.11 only).
#
#   base_image.sh [X.Y ...]          default: 3.13
#
# Needs root, Debian's mmdebstrap, and an engine (engine.sh).
# Env: PYENV_ROOT (default ~/.pyenv), CACHE (default ~/.cache/tilery-base), CA_BUNDLE. Costs about 55 s the first time, 20 s
# with the rootfs in CACHE. The image carries this machine's CA bundle, and a pip.conf naming it, so that pip and apt in a
# build work as they do outside: for tests, never to be pushed.
set -euo pipefail
engine=${ENGINE:-docker}
cache=${CACHE:-$HOME/.cache/tilery-base}
pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
ca=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}
suite=bookworm
[ $# -gt 0 ] || set -- 3.13
mkdir -p "$cache"

rootfs_tar=$cache/$suite-slim.tar
if [ ! -f "$rootfs_tar" ]; then
  mmdebstrap --format=tar --variant=minbase \
    --include=ca-certificates,netbase,tzdata,libexpat1,libsqlite3-0,libffi8,libssl3,zlib1g,libbz2-1.0,liblzma5,libreadline8,libuuid1,libncursesw6 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-include=/usr/share/locale/locale.alias' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
    "$suite" "$rootfs_tar.part"
  mv "$rootfs_tar.part" "$rootfs_tar"
fi

for xy in "$@"; do
  prefix=$(ls -d "$pyenv_root"/versions/"$xy".* 2>/dev/null | sort -V | tail -1 || true)
  ctx=$(mktemp -d "$cache/ctx.XXXXXX"); trap 'rm -rf "$ctx"' EXIT
  cp --reflink=auto "$rootfs_tar" "$ctx/rootfs.tar"
  py=$ctx/py; mkdir -p "$py"/usr/local/{bin,lib,include} "$py"/etc/ssl/certs
  cp -L "$ca" "$py/etc/ssl/certs/ca-certificates.crt"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ndisable-pip-version-check = true\n' > "$py/etc/pip.conf"
  if [ -n "$prefix" ]; then
    full=${prefix##*/}
    cp -a "$prefix/bin/python$xy" "$py/usr/local/bin/"
    cp -a "$prefix"/lib/libpython*.so* "$py/usr/local/lib/" 2>/dev/null || true
    cp -a "$prefix/include/python$xy" "$py/usr/local/include/"
    ( cd "$prefix/lib" && tar cf - --exclude='*/site-packages' --exclude='*/test' --exclude='*/tests' \
        --exclude='*/idlelib' --exclude='*/tkinter' --exclude='*/turtledemo' --exclude='*/__pycache__' \
        --exclude='*/config-*' --exclude='*/_tkinter*' "python$xy" ) | tar xf - -C "$py/usr/local/lib"
    mkdir -p "$py/usr/local/lib/python$xy/site-packages"
    strip --strip-unneeded "$py"/usr/local/lib/libpython"$xy".so* "$py"/usr/local/lib/python"$xy"/lib-dynload/*.so 2>/dev/null || true
    ln -s "python$xy" "$py/usr/local/bin/python3"; ln -s python3 "$py/usr/local/bin/python"
    setup="ldconfig && python3 -m ensurepip --default-pip >/dev/null"
  elif [ "$xy" = 3.11 ]; then
    full=3.11-debian
    setup="apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-pip >/dev/null && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python"
  else
    echo "no CPython $xy under $pyenv_root/versions" >&2; exit 1
  fi
  tar cf "$ctx/py.tar" --owner=0 --group=0 -C "$py" . && rm -rf "$py"
  cat > "$ctx/Dockerfile" <<DF
FROM scratch AS b
ADD rootfs.tar /
ADD py.tar /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
RUN $setup && pip install -q --no-cache-dir --root-user-action ignore -U pip && ln -sf pip3 /usr/local/bin/pip && rm -rf "\$HOME/.cache"
FROM scratch
COPY --from=b / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 PYTHON_VERSION=$full
CMD ["python3"]
DF
  tag=python:$xy-slim
  DOCKER_BUILDKIT=0 $engine build -q -t "$tag" "$ctx"
  for t in "$xy-slim-$suite" "$full-slim" "$full-slim-$suite"; do $engine tag "$tag" "python:$t"; done
  rm -rf "$ctx"; trap - EXIT
  $engine run --rm "$tag" python -c 'import ssl, sqlite3, zlib, lzma, bz2, ctypes, uuid, sys; print("made", sys.version)'
done
$engine images | grep -E '(^|/)python ' || true
