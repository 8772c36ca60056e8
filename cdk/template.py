"""The stack of tasks as one CloudFormation template, for those without CDK: what a release has beside its image.

    python -m cdk.template --image ghcr.io/owner/tilery@sha256:… > tilery.template.json

What differs from one user to the next is a parameter of the template: the bucket, the e-mail of the alarms, the image.
It wants nothing that ``cdk bootstrap`` makes: no bucket for files, no role, no parameter of that name. Everything else
is as the stack has it, with CloudFront before it, which brings HTTPS without a domain.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from typing import Any

from aws_cdk import App, BootstraplessSynthesizer

from cdk.app import FLAGS
from cdk.config import StackConfig
from cdk.ecs_stack import EcsStack

BUCKET, EMAIL, NAME = "bucket-of-the-template", "alarms@template.invalid", "tilery-ecs-template"
"""What stands for the parameters, and for the name of the stack, while the template is made."""
_PLACES = {BUCKET: "Bucket", EMAIL: "AlarmEmail", NAME: "AWS::StackName"}
_PLACE = re.compile("|".join(map(re.escape, _PLACES)))


def make(image: str) -> dict[str, Any]:
    """Return the template, whose image is that one unless whoever deploys it names another."""
    values: dict[str, Any] = {
        "NAME": "tilery",
        "STAGE": "template",
        "SOURCES": f"s3://{BUCKET}/",
        "CATALOG": f"s3://{BUCKET}/layers/",
        "IMAGE": image,
        "ALARM_EMAIL": EMAIL,
        "CLOUDFRONT": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        app = App(analytics_reporting=False, context=FLAGS, outdir=folder)
        config = StackConfig(**{f"TILERY_STACK_{name}": value for name, value in values.items()})
        EcsStack(app, config, synthesizer=BootstraplessSynthesizer())
        made: dict[str, Any] = app.synth().stacks[0].template
    filled: dict[str, Any] = _filled(made, image)
    return filled | {"Parameters": _parameters(image)}


def _parameters(image: str) -> dict[str, Any]:
    return {
        "Bucket": {
            "Type": "String",
            "AllowedPattern": "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "Description": "Bucket with the rasters, in this region; layers are below layers/ in it",
        },
        "AlarmEmail": {
            "Type": "String",
            "AllowedPattern": r"\S+@\S+\.\S+",
            "Description": "Address that alarms are sent to",
        },
        "Image": {"Type": "String", "Default": image, "Description": "The service's image, by its digest"},
    }


def _filled(value: Any, image: str) -> Any:
    """Return a part of a template with parameters in place of what stands for them."""
    if isinstance(value, dict):
        return {key: _filled(one, image) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, image) for one in value]
    if value == image:
        return {"Ref": "Image"}
    if not isinstance(value, str) or not _PLACE.search(value):
        return value
    if value in _PLACES:
        return {"Ref": _PLACES[value]}
    return {"Fn::Sub": _PLACE.sub(lambda found: f"${{{_PLACES[found[0]]}}}", value.replace("${", "${!"))}


def main() -> None:
    """Print the template."""
    parser = argparse.ArgumentParser(prog="python -m cdk.template", description=__doc__)
    parser.add_argument("--image", required=True, help="the service's image, as ghcr.io/owner/tilery@sha256:…")
    sys.stdout.write(json.dumps(make(parser.parse_args().image), indent=1) + "\n")


if __name__ == "__main__":
    main()
