#!/usr/bin/env bash
# The commands of docs/release.md against an emulator of AWS: the pipeline, and tasks that CodeDeploy releases. The emulator
# runs neither CodePipeline nor CodeDeploy: what is shown is that the CLI deploys both stacks, that every reference in them
# resolves, and that `make release` would tell CodeDeploy what was deployed.
#
#     make test-deploy-release       no Docker, no root; a minute
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh

# as in docs/release.md; the image is one that the pipeline has pushed
export TILERY_STACK_NAME=mytiler TILERY_STACK_STAGE=dev TILERY_STACK_SOURCES=s3://my-bucket/imagery/
export TILERY_STACK_CONNECTION_ARN=arn:aws:codeconnections:us-east-1:123456789012:connection/0a1b2c3d-0000-4000-8000-00000000
export TILERY_STACK_REPOSITORY=example/maps TILERY_STACK_RELEASE=blue-green TILERY_STACK_SHIFT=canary
export TILERY_STACK_IMAGE=123456789012.dkr.ecr.us-east-1.amazonaws.com/tilery@sha256:$(printf '0%.0s' {1..64})
timeout 120 npx cdk bootstrap aws://123456789012/us-east-1
timeout 600 npm run -s cdk -- deploy mytiler-release-dev mytiler-ecs-dev --require-approval never \
  --outputs-file "$work/outputs.json"
curl -s "$AWS_ENDPOINT_URL/_resources" >"$work/resources.json"
make -s release STACK=mytiler-ecs-dev RELEASE=--appspec | tee "$work/appspec.json"
make -s release STACK=mytiler-ecs-dev RELEASE=--appspec OUTPUTS="$work/outputs.json" | cmp - "$work/appspec.json"
.venv/bin/python - "$work" <<'PY'
import json
import pathlib
import sys

work = pathlib.Path(sys.argv[1])
resources = json.loads((work / "resources.json").read_text())
release, tasks = resources["mytiler-release-dev"].values(), resources["mytiler-ecs-dev"].values()
(pipeline,) = (r["Properties"] for r in release if r["Type"] == "AWS::CodePipeline::Pipeline")
assert [stage["Name"] for stage in pipeline["Stages"]] == ["Source", "Build", "Deploy"], pipeline
(group,) = (r["Properties"] for r in tasks if r["Type"] == "AWS::CodeDeploy::DeploymentGroup")
(pair,) = group["LoadBalancerInfo"]["TargetGroupPairInfoList"]
assert len({target["Name"] for target in pair["TargetGroups"]}) == 2, pair
appspec = json.loads((work / "appspec.json").read_text())["Resources"][0]["TargetService"]["Properties"]
assert ":task-definition/" in appspec["TaskDefinition"], appspec
assert appspec["LoadBalancerInfo"] == {"ContainerName": "tiles", "ContainerPort": 8080}, appspec
print("deployed", pipeline["Name"], "and", group["ECSServices"])
PY
timeout 120 npx cdk destroy mytiler-release-dev mytiler-ecs-dev --force
