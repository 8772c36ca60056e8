#!/usr/bin/env bash
# The commands of docs/deploy-ecs.md, run for real against an emulator of AWS on this machine: the CLI, the build of the image,
# its push to a registry, every reference in the template, the outputs. What AWS would then run is run here as containers
# behind HAProxy (ROLL=1), replaced under load.
#
#     make test-deploy            as root on Debian; about five minutes the first time
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh
export DOCKER_BUILDKIT=0
export DOCKER_CONFIG=$work/docker
mkdir "$DOCKER_CONFIG"
bash tests/container/engine.sh up
docker image inspect python:3.13-slim >/dev/null 2>&1 || docker pull -q python:3.13-slim 2>/dev/null \
  || bash tests/container/base_image.sh 3.13 >/dev/null
at_end bash tests/cdk/registry.sh clean
at_end bash tests/container/engine.sh down
bash tests/cdk/registry.sh up

# as in docs/deploy-ecs.md
export TILERY_STACK_NAME=mytiler TILERY_STACK_STAGE=dev TILERY_STACK_SOURCES=s3://my-bucket/imagery/
export TILERY_STACK_TASK_CPU=256 TILERY_STACK_TASK_MEMORY=512 TILERY_STACK_ARCHITECTURE=X86_64
timeout 120 npx cdk bootstrap aws://123456789012/us-east-1
timeout 900 npm run -s cdk -- deploy mytiler-ecs-dev --require-approval never --outputs-file "$work/outputs.json"
cat "$work/outputs.json"
curl -s "$AWS_ENDPOINT_URL/_resources" >"$work/resources.json"
python3 - "$work" <<'PY'
import json, pathlib, sys

work = pathlib.Path(sys.argv[1])
outputs = json.loads((work / "outputs.json").read_text())["mytiler-ecs-dev"]
assert outputs["Url"].startswith("http://"), outputs
assert {"Url", "DashboardUrl", "LogGroup"} <= set(outputs), outputs
resources = json.loads((work / "resources.json").read_text())["mytiler-ecs-dev"].values()
(task,) = (r["Properties"] for r in resources if r["Type"] == "AWS::ECS::TaskDefinition")
environment = {e["Name"]: e["Value"] for e in task["ContainerDefinitions"][0]["Environment"]}
assert environment["TILERY_SOURCES"] == "s3://my-bucket/imagery/", environment
assert environment["TILERY_PUBLIC_URL"] == outputs["Url"], environment
image = task["ContainerDefinitions"][0]["Image"]
assert image.startswith("123456789012.dkr.ecr.us-east-1.amazonaws.com/cdk-"), image
print("deployed", image)
PY
image=$(python3 -c "
import json, sys
found = json.load(open('$work/resources.json'))['mytiler-ecs-dev'].values()
print(next(r['Properties']['ContainerDefinitions'][0]['Image'] for r in found if r['Type'] == 'AWS::ECS::TaskDefinition'))")
docker image rm -f "$image" >/dev/null
docker pull -q "$image"
.venv/bin/python -m tests.deployed.raster "$work/a.tif"
mkdir "$work/layers"
.venv/bin/tilery publish "$work/a.tif" --to "$work/layers/a" >/dev/null
LAYERS=$work/layers bash docker/try_image.sh "$image"
if [ -n "${ROLL:-}" ]; then
  .venv/bin/python tests/container/ecs_local.py --stack mytiler-ecs-dev --resources "$work/resources.json" --tasks 2 \
    --interval 2 --load /healthz --seconds 80 --roll --order drain --docker-arg=--read-only
fi
timeout 120 npx cdk destroy mytiler-ecs-dev --force
