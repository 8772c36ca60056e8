"""Starts a blue and green release of a deployed stack, and stays until it is done.

    make release STACK=mytiler-ecs-dev     shift to the task definition that `cdk deploy` registered last
    make release STACK=mytiler-ecs-dev RELEASE="--task-definition mytilerecsdevTask…:6"      go back to an earlier one
    make release STACK=mytiler-ecs-dev RELEASE=--appspec                                     print what would be told

``cdk deploy`` does the rest of a release. A Lambda stack needs none of this: CloudFormation hands its versions to
CodeDeploy by itself. Interrupting this command leaves the release going; ``aws deploy stop-deployment
--auto-rollback-enabled --deployment-id …`` takes it back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from typing import Any

from cdk.outputs import NoOutputsError, aws, of_stack

GOING = {"Created", "Queued", "InProgress", "Baking", "Ready"}


def appspec(outputs: dict[str, str]) -> dict[str, Any]:
    """Return what CodeDeploy is to put in the place of the running tasks.

    Source: AWS CodeDeploy user guide, "AppSpec file structure for Amazon ECS deployments".

    Raises:
        NoOutputsError: the stack is released in another way.
    """
    if not {"TaskDefinition", "Container", "ReleaseGroup"} <= set(outputs):
        raise NoOutputsError(
            "This stack has no blue and green release: `cdk deploy` has released it already "
            "(for tasks, TILERY_STACK_RELEASE=blue-green makes one)."
        )
    container, _, port = outputs["Container"].partition(":")
    service = {
        "TaskDefinition": outputs["TaskDefinition"],
        "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": int(port)},
        "PlatformVersion": "LATEST",
    }
    told: dict[str, Any] = {"version": 0.0}
    told["Resources"] = [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": service}}]
    if check := outputs.get("ReleaseCheck"):  # asks the new tasks before they get traffic
        hook, _, function = check.partition(":")
        told["Hooks"] = [{hook: function}]
    return told


def start(outputs: dict[str, str]) -> str:
    """Return the id of the deployment that was started."""
    content = json.dumps(appspec(outputs))
    revision = {
        "revisionType": "AppSpecContent",
        "appSpecContent": {"content": content, "sha256": hashlib.sha256(content.encode()).hexdigest()},
    }
    started = aws(
        "deploy",
        "create-deployment",
        "--application-name",
        outputs["ReleaseApplication"],
        "--deployment-group-name",
        outputs["ReleaseGroup"],
        "--revision",
        json.dumps(revision),
    )
    return str(started["deploymentId"])


def follow(deployment: str, *, every: float = 10.0) -> int:
    """Say what becomes of it until it is over; 0 when it succeeded."""
    said = ""
    while True:
        info = aws("deploy", "get-deployment", "--deployment-id", deployment)["deploymentInfo"]
        status = str(info["status"])
        if status != said:
            said = status
            sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {status}\n")
            if status == "Ready":
                sys.stdout.write(
                    "The new tasks answer on the test port. To shift traffic to them:\n"
                    f"  aws deploy continue-deployment --deployment-wait-type READY_WAIT --deployment-id {deployment}\n"
                )
            sys.stdout.flush()
        if status not in GOING:
            break
        time.sleep(every)
    if said == "Succeeded":
        return 0
    problem = info.get("errorInformation") or {}
    back = (info.get("rollbackInfo") or {}).get("rollbackDeploymentId")
    sys.stdout.write(f"{problem.get('code', said)}: {problem.get('message', 'no reason was given')}\n")
    if back:
        sys.stdout.write(f"The old tasks have the traffic again, by deployment {back}.\n")
    return 1


def main() -> None:
    """Start a release and follow it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("--outputs", help="file that `cdk deploy --outputs-file` wrote; without it AWS is asked")
    parser.add_argument(
        "--task-definition", help="another than the newest, as tiles:6: to go back to an earlier release"
    )
    parser.add_argument("--appspec", action="store_true", help="print the AppSpec and do nothing")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    arguments = parser.parse_args()
    try:
        outputs = of_stack(arguments.stack, arguments.outputs)
        if arguments.task_definition:
            outputs |= {"TaskDefinition": arguments.task_definition}
        if arguments.appspec:
            sys.stdout.write(json.dumps(appspec(outputs), indent=2) + "\n")
            return
        deployment = start(outputs)
        sys.stdout.write(f"Deployment {deployment}\n")
        sys.exit(follow(deployment, every=arguments.every))
    except NoOutputsError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit("The release goes on.")


if __name__ == "__main__":
    main()
