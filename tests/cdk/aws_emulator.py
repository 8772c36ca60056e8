"""moto's AWS emulator on loopback, made fit for `cdk bootstrap` and `cdk deploy`.

    python aws_emulator.py [--port 5555]       # pip install 'moto[server,all]'

What this adds to moto 5.2's CloudFormation (which is the weak part of it):
- TemplateURL, which the CDK CLI builds from the endpoint, is read path-style;
- a stack made through a change set gets its Outputs;
- `cdk destroy` works, and a second deploy (an update) does with
  `cdk deploy --method direct --previous-parameters=false` (moto's change sets
  for updates do not suit the CLI);
- a function URL leads to where the function really runs (``--function-url``);
- repositories of images get names as CloudFormation gives them;
- an error in a change set fails the stack, where the CDK CLI would print success;
- a resource type moto does not implement gets a stub with a physical id, and
  GET /_stubs names the types that had one: those prove nothing but that the
  template resolves;
- GET /_resources gives, per stack, every resource with its intrinsics resolved:
  what a test should assert on, since moto drops many properties of those it
  does implement (ECS cpu, launch type, load balancers; target group attributes).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

from moto.cloudformation import models as cfn_models
from moto.cloudformation import parsing as cfn_parsing
from moto.cloudformation import responses as cfn_responses
from moto.cloudformation import utils as cfn_utils
from moto.core.common_models import CloudFormationModel
from moto.ecr.models import ECRBackend

stubs: set[str] = set()
resources: dict[str, dict[str, Any]] = {}
options = argparse.Namespace(function_url="")

_get_stack = cfn_utils.get_stack_from_s3_url


def get_stack_from_s3_url(template_url: str, account_id: str, partition: str) -> Any:
    url = urlparse(template_url)
    if re.fullmatch(r"[0-9.]+|localhost", url.hostname or ""):
        from moto.s3.models import s3_backends

        bucket, key = url.path.lstrip("/").split("/", 1)
        return s3_backends[account_id][partition].get_object(bucket, key).value.decode()
    return _get_stack(template_url, account_id, partition)


for module in (cfn_utils, cfn_responses, cfn_models):
    if hasattr(module, "get_stack_from_s3_url"):
        module.get_stack_from_s3_url = get_stack_from_s3_url


# a model of moto's that has no attributes at all answers with a placeholder
if not hasattr(CloudFormationModel, "get_cfn_attribute"):
    CloudFormationModel.physical_resource_id = "placeholder"
    CloudFormationModel.get_cfn_attribute = lambda self, attribute: Stub(self.physical_resource_id).get_cfn_attribute(
        attribute
    )


class Stub(CloudFormationModel):  # type: ignore[misc] # .venv-cdk, against which this is checked, has no moto
    __module__ = "moto.stubs.models"  # moto files its models by this name

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        return self.name

    def get_cfn_attribute(self, attribute: str) -> str:
        if attribute == "FunctionUrl" and options.function_url:
            return str(options.function_url)
        scheme = "https://" if attribute.endswith(("Url", "Endpoint")) else ""
        return f"{scheme}{self.name}.{attribute}"

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Stub:
        if cls.cloudformation_type() == "AWS::Lambda::Alias":  # what refers to the alias finds the function
            resource_name = cloudformation_json["Properties"]["FunctionName"]
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: Any, *args: Any, **kwargs: Any) -> Any:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *args: Any, **kwargs: Any) -> None:
        pass

    def delete(self, *args: Any, **kwargs: Any) -> None:
        pass


_class_from_type = cfn_parsing.resource_class_from_type
_parse = cfn_parsing.parse_resource_and_generate_name


def resource_class_from_type(resource_type: str) -> Any:
    found = _class_from_type(resource_type)
    if found is None:
        stubs.add(resource_type)
        return type(
            "Stub", (Stub,), {"__module__": Stub.__module__, "cloudformation_type": staticmethod(lambda: resource_type)}
        )
    return found


def parse_resource_and_generate_name(logical_id: str, resource_json: dict[str, Any], resources_map: Any) -> Any:
    found = _parse(logical_id, resource_json, resources_map)
    if found:
        stack = resources.setdefault(str(resources_map["AWS::StackName"]), {})
        stack[logical_id] = {"Type": resource_json["Type"], "Properties": found[1].get("Properties", {})}
    return found


cfn_parsing.resource_class_from_type = resource_class_from_type
cfn_parsing.parse_resource_and_generate_name = parse_resource_and_generate_name
_apply = cfn_models.ChangeSet.apply


def apply(self: Any) -> None:
    try:
        _apply(self)
    except Exception as exc:  # noqa: BLE001 - whatever it was, the stack has failed
        import traceback

        traceback.print_exc()
        self.stack.status_reason = f"{type(exc).__name__}: {exc}"
        self.stack._failed = True
        return
    self.stack.template_dict, self.stack.template = self.template_dict, self.template
    self.stack.output_map = self.stack._create_output_map()


cfn_models.ChangeSet.apply = apply
_execute = cfn_models.CloudFormationBackend.execute_change_set


def execute_change_set(self: Any, *args: Any, **kwargs: Any) -> Any:
    result = _execute(self, *args, **kwargs)
    for stack in self.stacks.values():
        if getattr(stack, "_failed", False):
            stack.status = "CREATE_FAILED"
    return result


cfn_models.CloudFormationBackend.execute_change_set = execute_change_set
_delete_change_set = cfn_models.CloudFormationBackend.delete_change_set


def delete_change_set(self: Any, *args: Any, **kwargs: Any) -> None:
    # moto's answer for one that does not exist, which the CLI deletes before every update
    with contextlib.suppress(UnboundLocalError):
        _delete_change_set(self, *args, **kwargs)


cfn_models.CloudFormationBackend.delete_change_set = delete_change_set
_create_repository = ECRBackend.create_repository


def create_repository(self: Any, repository_name: str, *args: Any, **kwargs: Any) -> Any:
    # CloudFormation's own names for repositories have small letters only
    return _create_repository(self, repository_name.lower(), *args, **kwargs)


ECRBackend.create_repository = create_repository
_delete = cfn_parsing.ResourceMap.delete


def delete(self: Any) -> None:
    try:
        _delete(self)
    except Exception as exc:  # noqa: BLE001 - as a VPC whose gateway moto left attached: all of it is thrown away
        print("left behind:", exc, flush=True)


cfn_parsing.ResourceMap.delete = delete


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5555)
    parser.add_argument("--function-url", default="", help="what every function URL is: where the function runs really")
    args = parser.parse_args(namespace=options)

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    moto_app = DomainDispatcherApplication(create_backend_app)
    views: dict[str, Callable[[], object]] = {
        "/_stubs": lambda: sorted(stubs),
        "/_resources": lambda: resources,
    }

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Any:
        if view := views.get(environ["PATH_INFO"]):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(view(), default=str, indent=1).encode()]
        return moto_app(environ, start_response)

    # keep-alive, or GDAL opens a connection for every range
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    run_simple(args.host, args.port, application, threaded=True)


if __name__ == "__main__":
    main()
