#!/usr/bin/env bash
# Stage five of the Lambda tests, here: the commands of docs/deploy-lambda.md against an emulator of AWS. The CLI makes the
# zip, uploads it and resolves the template. Then that very zip runs, with the environment of the deployed function, on a
# local Runtime API, reads its raster from the emulator's S3, and the smoke test asks it by the address in the outputs.
#
#     make test-deploy-lambda        no Docker, no root; two minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh

.venv/bin/python -m tests.deployed.raster "$work/a.tif"
curl -sf -X PUT "$AWS_ENDPOINT_URL/my-bucket" >/dev/null
curl -sf -T "$work/a.tif" "$AWS_ENDPOINT_URL/my-bucket/imagery/a.tif" >/dev/null

# as in docs/deploy-lambda.md
export TILERY_STACK_NAME=mytiler TILERY_STACK_STAGE=dev TILERY_STACK_SOURCES=s3://my-bucket/imagery/
export TILERY_STACK_ARCHITECTURE=X86_64 TILERY_STACK_MAX_CONCURRENT=50
timeout 120 npx cdk bootstrap aws://123456789012/us-east-1
timeout 900 npm run -s cdk -- deploy mytiler-lambda-dev --require-approval never --outputs-file "$work/outputs.json"
cat "$work/outputs.json"
curl -s "$AWS_ENDPOINT_URL/_resources" >"$work/resources.json"
.venv/bin/python - "$work" <<'PY'
import json
import pathlib
import sys

work = pathlib.Path(sys.argv[1])
outputs = json.loads((work / "outputs.json").read_text())["mytiler-lambda-dev"]
assert {"Url", "DashboardUrl", "LogGroup", "FunctionName"} <= set(outputs), outputs
resources = json.loads((work / "resources.json").read_text())["mytiler-lambda-dev"].items()
(function,) = (r["Properties"] for name, r in resources if name.startswith("Function") and "Version" not in name)
assert function["Handler"] == "app.lambda_handler.handler", function
assert function["ReservedConcurrentExecutions"] == 50, function
alias = next(r["Properties"] for _, r in resources if r["Type"] == "AWS::Lambda::Alias")
assert alias["Name"] == "live", alias
group = next(r["Properties"] for _, r in resources if r["Type"] == "AWS::CodeDeploy::DeploymentGroup")
assert group["AlarmConfiguration"]["Enabled"], group
code = function["Code"]
(work / "code").write_text(f"{code['S3Bucket']}/{code['S3Key']}")
(work / "memory").write_text(str(function["MemorySize"]))
(work / "environment").write_text(
    "".join(f"{name}={value}\0" for name, value in function["Environment"]["Variables"].items())
)
print("deployed", function["Environment"]["Variables"])
PY

# the zip as it lies in S3, run by the client of the Runtime API that Lambda has in its own Python
curl -sf "$AWS_ENDPOINT_URL/$(cat "$work/code")" -o "$work/package.zip"
mkdir "$work/task"
.venv/bin/python -m zipfile -e "$work/package.zip" "$work/task"
version=$(.venv/bin/python -c "
import pathlib, re
name = next(pathlib.Path('$work/task/numpy/_core').glob('_multiarray_umath.cpython-*')).name
print(re.sub(r'.*cpython-3(\d+)-.*', r'3.\1', name))")
found=
for name in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
  if [ -z "$found" ] && "$name" -c 'import ensurepip' 2>/dev/null; then found=$name; fi
done
if [ -n "$found" ]; then
  "$found" -m venv "$work/runtime"
  "$work/runtime/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes \
    -r requirements/lambda-image.txt
  python=$work/runtime/bin/python
  mapfile -d '' -t environment <"$work/environment"
  (
    cd "$work/task"
    exec env "${environment[@]}" PYTHONPATH="$work/task" LD_LIBRARY_PATH="$work/task/lib:$work/task" \
      "$OLDPWD/.venv/bin/python" "$OLDPWD/tests/support/lambda_runtime.py" --port "$front" --kind function-url \
      --memory "$(cat "$work/memory")" --snapstart --cwd "$work/task" -- "$python" -m awslambdaric app.lambda_handler.handler
  ) >"$work/function.log" 2>&1 &
  pids+=($!)
else
  echo "There is no Python $version on this machine: the function runs from this folder, not from the zip." >&2
  mapfile -d '' -t environment <"$work/environment"
  env "${environment[@]}" .venv/bin/python tests/support/lambda_runtime.py --port "$front" --kind function-url \
    --memory "$(cat "$work/memory")" -- .venv/bin/python -m awslambdaric app.lambda_handler.handler \
    >"$work/function.log" 2>&1 &
  pids+=($!)
fi
make test-deployed STACK=mytiler-lambda-dev SOURCE=s3://my-bucket/imagery/a.tif WAIT=60

# what has not changed is neither made nor published again
touch -d '2001-01-01' build/package.zip
timeout 300 npx cdk deploy mytiler-lambda-dev --require-approval never --method direct --previous-parameters=false
[ "$(stat -c %Y build/package.zip)" = "$(date -d '2001-01-01' +%s)" ] || { echo "the zip was made again" >&2; exit 1; }
timeout 120 npx cdk destroy mytiler-lambda-dev --force
