"""Has tasks that nobody has used yet asked to do their work, and tells CodeDeploy, which then shifts traffic to them.

Runs as a function of its own, from this text alone, outside of the VPC, where CodeDeploy can be told; the tasks are
asked by a second function inside (``ask_tasks.py``), which reaches them and nothing else.
"""

import json
import os
import time

import boto3
from botocore.config import Config

PATIENCE = 300.0
"""Seconds for the new tasks to appear."""
EVERY = 5.0


def new_tasks() -> list[str]:
    """Return addresses in the group of targets that the listener does not lead to."""
    balancer = boto3.client("elbv2")
    (listener,) = balancer.describe_listeners(ListenerArns=[os.environ["LISTENER"]])["Listeners"]
    serving = json.dumps(listener["DefaultActions"])
    (idle,) = (group for group in os.environ["GROUPS"].split(",") if f'"{group}"' not in serving)
    found = balancer.describe_target_health(TargetGroupArn=idle)["TargetHealthDescriptions"]
    return sorted(target["Target"]["Id"] for target in found if target["TargetHealth"]["State"] != "draining")


def wait_for_tasks() -> list[str]:
    """Return the same, once there are some."""
    until = time.monotonic() + PATIENCE
    while not (found := new_tasks()):
        if time.monotonic() > until:
            raise TimeoutError("no new task has appeared")
        time.sleep(EVERY)
    return found


def ask(addresses: list[str]) -> None:
    """Have them asked; fails with what was wrong."""
    payload = json.dumps({"addresses": addresses})
    patient = Config(read_timeout=620, retries={"max_attempts": 0})
    answer = boto3.client("lambda", config=patient).invoke(FunctionName=os.environ["ASK"], Payload=payload)
    text = answer["Payload"].read().decode()
    print(addresses, text[:500])  # noqa: T201 - into the log
    if "FunctionError" in answer:
        raise ValueError(text[:500])


def handler(deployment: dict[str, str], _context: object) -> None:
    """Tell CodeDeploy ``Succeeded`` or ``Failed``."""
    status = "Failed"
    try:
        ask(wait_for_tasks())
        status = "Succeeded"
    except Exception as problem:  # noqa: BLE001 - whatever it is, nobody gets these tasks
        print(repr(problem))  # noqa: T201 - into the log
    finally:
        boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
            deploymentId=deployment["DeploymentId"],
            lifecycleEventHookExecutionId=deployment["LifecycleEventHookExecutionId"],
            status=status,
        )
