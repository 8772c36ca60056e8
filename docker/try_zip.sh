#!/usr/bin/env bash
# Runs a package for Lambda as Lambda would (its own files, the client of the Runtime API, one request at a time) and asks it what
# a deployed one is asked.
#
#     bash docker/try_zip.sh build/package.zip
set -euo pipefail
zip=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pid=
finish() {
  status=$?
  [ "$status" = 0 ] || tail -n 40 "$work/log" >&2 || true
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
mkdir "$work/task" "$work/data"
.venv/bin/python -m zipfile -e "$zip" "$work/task"
.venv/bin/python -m tests.deployed.raster "$work/data/a.tif"
version=$(.venv/bin/python -c "
import pathlib, re
name = next(pathlib.Path('$work/task/numpy/_core').glob('_multiarray_umath.cpython-*')).name
print(re.sub(r'.*cpython-3(\d+)-.*', r'3.\1', name))")
python=
for name in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
  if [ -z "$python" ] && "$name" -c 'import ensurepip' 2>/dev/null; then python=$name; fi
done
[ -n "$python" ] || { echo "There is no Python $version here, which the package is for." >&2; exit 1; }
"$python" -m venv "$work/runtime"
"$work/runtime/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/lambda-image.txt
port=$(.venv/bin/python -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
checkout=$PWD
(
  cd "$work/task"
  exec env TILERY_SOURCES="$work/data/" PYTHONPATH="$work/task" LD_LIBRARY_PATH="$work/task/lib:$work/task" \
    "$checkout/.venv/bin/python" "$checkout/tests/support/lambda_runtime.py" --port "$port" --kind function-url --snapstart \
    --cwd "$work/task" -- "$work/runtime/bin/python" -m awslambdaric app.lambda_handler.handler
) >"$work/log" 2>&1 &
pid=$!
.venv/bin/python -m tests.deployed.smoke --url "http://127.0.0.1:$port" --source "$work/data/a.tif" --wait 60
