#!/usr/bin/env bash
# The template that needs no CDK, deployed to the emulator of AWS with the operations of docs/deploy-ecs.md: what
# CloudFormation alone makes of it.
#
#     make test-deploy-template      no Docker, no root, no Node; a minute
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cdk/emulator.sh
image=registry.example.com/tilery@sha256:$(printf 'a%.0s' $(seq 64))
.venv-cdk/bin/python -m cdk.template --image "$image" >"$work/tilery.template.json" 2>"$work/template.log"
.venv-emulator/bin/python - "$work/tilery.template.json" "$image" <<'PY'
import json, os, pathlib, sys, urllib.request
from urllib.parse import urlsplit

import boto3

path, image = pathlib.Path(sys.argv[1]), sys.argv[2]
boto3.client("s3").create_bucket(Bucket="my-bucket")
boto3.client("s3").put_object(Bucket="my-bucket", Key=path.name, Body=path.read_bytes())
stacks = boto3.client("cloudformation")
given = {"Bucket": "my-bucket", "AlarmEmail": "maps@example.com"}
stacks.create_stack(
    StackName="tilery",
    Capabilities=["CAPABILITY_IAM"],
    TemplateURL=f"{os.environ['AWS_ENDPOINT_URL']}/my-bucket/{path.name}",
    Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
)
(stack,) = stacks.describe_stacks(StackName="tilery")["Stacks"]
assert stack["StackStatus"] == "CREATE_COMPLETE", stack
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
assert urlsplit(outputs["Url"]).scheme == "https" and urlsplit(outputs["Url"]).hostname, outputs

resources = json.load(urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/_resources"))["tilery"]
of = lambda kind: [each["Properties"] for each in resources.values() if each["Type"] == f"AWS::{kind}"]
((container,),) = (task["ContainerDefinitions"] for task in of("ECS::TaskDefinition"))
told = {each["Name"]: each["Value"] for each in container["Environment"]}
assert container["Image"] == image, container["Image"]
assert told["TILERY_PUBLIC_URL"] == outputs["Url"], (told, outputs)
assert told["TILERY_SOURCES"] == "s3://my-bucket/" and told["TILERY_CATALOG"] == "s3://my-bucket/layers/", told
assert [each["Endpoint"] for each in of("SNS::Subscription")] == ["maps@example.com"]
(service,) = boto3.client("ecs").describe_services(cluster=outputs["ClusterName"], services=[outputs["ServiceName"]])["services"]
assert service["status"] == "ACTIVE", service
assert boto3.client("logs").describe_log_groups(logGroupNamePrefix=outputs["LogGroup"])["logGroups"]
role = outputs["TaskRoleArn"].rpartition("/")[2]
iam = boto3.client("iam")
may = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in iam.list_role_policies(RoleName=role)["PolicyNames"]]
text = json.dumps(may)
assert "arn:aws:s3:::my-bucket/" in text and "s3:PutObject" not in text, may
print(f"deployed {len(resources)} resources from the template alone: {outputs['Url']}")

stacks.delete_stack(StackName="tilery")
left = [each for each in stacks.list_stacks()["StackSummaries"] if each["StackStatus"] != "DELETE_COMPLETE"]
assert not left, left
print("deleted again")
PY
