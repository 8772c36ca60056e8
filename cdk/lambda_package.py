"""What the function runs: a zip that is made while deploying, or an image. Synthesis needs neither.

The zip is an asset that a command makes: the ``cdk`` command runs it when it uploads the asset, and only then. So the
other stacks can be synthesised and deployed without it, and a zip that is in AWS already is not made again.

    python -m cdk.lambda_package x86_64        makes the zip, prints where it is
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as awslambda
    from constructs import Construct

    from cdk.config import StackConfig

ROOT = Path(__file__).parent.parent
HANDLER = "app.lambda_handler.handler"
DOCKERFILE = "docker/lambda.Dockerfile"
ZIP = ROOT / "build" / "package.zip"
MADE_FROM = (
    "app/**/*",
    "docker/*lambda*",
    "docker/trim.py",
    "package-lock.json",
    "requirements/lambda.txt",
    "tilery/**/*",
    "web/**/*",
)
"""Patterns of the files that decide what is in the zip."""
NOT_FROM = {"__pycache__", "vendor"}
"""Folders that are made, not written."""


def architecture_of(config: StackConfig) -> str:
    """``x86_64`` or ``arm64``, as Lambda and its tools write it."""
    return config.architecture.lower()


def zip_hash(architecture: str, root: Path = ROOT) -> str:
    """Return a name for the zip that changes when what it is made from does."""
    found = hashlib.sha256(architecture.encode())
    for path in sorted({path for pattern in MADE_FROM for path in root.glob(pattern) if path.is_file()}):
        if not NOT_FROM & set(path.relative_to(root).parts):
            found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def zip_code(scope: Construct, config: StackConfig) -> awslambda.Code:
    """Return the zip, by the name that it will have in AWS."""
    from aws_cdk import FileAssetPackaging, Stack
    from aws_cdk import aws_lambda as awslambda
    from aws_cdk import aws_s3 as s3

    architecture, stack = architecture_of(config), Stack.of(scope)
    if config.lambda_zip:
        made = Path(config.lambda_zip).resolve()
        location = stack.synthesizer.add_file_asset(
            source_hash=hashlib.sha256(made.read_bytes()).hexdigest(),
            file_name=str(made),
            packaging=FileAssetPackaging.FILE,
            display_name="package.zip",
            deploy_time=True,
        )
    else:
        location = stack.synthesizer.add_file_asset(
            source_hash=zip_hash(architecture),
            executable=[sys.executable, str(Path(__file__).resolve()), architecture],
            display_name="package.zip",
            deploy_time=True,
        )
    return awslambda.Code.from_bucket_v2(
        s3.Bucket.from_bucket_name(scope, "Assets", location.bucket_name), location.object_key
    )


def image_code(scope: Construct, config: StackConfig) -> awslambda.DockerImageCode:
    """Return the image of the settings, else one that the ``cdk`` command builds and pushes while deploying."""
    from aws_cdk import aws_ecr_assets as ecr_assets
    from aws_cdk import aws_lambda as awslambda

    from cdk.images import ECR, repository_of

    if config.lambda_image and (found := ECR.fullmatch(config.lambda_image)):
        return awslambda.DockerImageCode.from_ecr(
            repository_of(scope, "Repository", found), tag_or_digest=found["tag"] or found["digest"]
        )
    platform = ecr_assets.Platform.LINUX_ARM64 if config.architecture == "ARM64" else ecr_assets.Platform.LINUX_AMD64
    return awslambda.DockerImageCode.from_image_asset(
        str(ROOT),
        file=DOCKERFILE,
        target="image",
        platform=platform,
        exclude=[f"!{DOCKERFILE}"],  # .dockerignore leaves it out; here it is part of what is staged
    )


def main() -> None:
    """Make the zip and print its path; what was said meanwhile goes to standard error."""
    (architecture,) = sys.argv[1:]
    command = ["make", "--no-print-directory", "lambda-zip", f"ARCHITECTURE={architecture}"]
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode or not ZIP.is_file():
        sys.exit(f"The zip was not made: `{' '.join(command)}` failed.")
    sys.stdout.write(f"{ZIP}\n")


if __name__ == "__main__":
    main()
