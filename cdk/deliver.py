"""Deploys what was built and tested, tries it out, and goes back to what was good before when it is not.

The last step of the pipeline (``docker/deployspec.yml``), with its settings in the environment:

    STACKS                       what is deployed, as "mytiler-ecs-dev mytiler-lambda-dev"
    ARTIFACTS                    bucket of the pipeline: what is good is remembered there, below last-good/
    TILERY_STACK_IMAGE           the image that was tested, by its digest
    TILERY_STACK_LAMBDA_IMAGE    the same of the function, where it is one
    CODEBUILD_SRC_DIR_TESTED     folder with package.zip, where the function is a zip
    TILERY_STACK_TEST_SOURCE     raster that tiles are asked of
    TOKEN                        access token of the service

Where CodeDeploy has a hook, a new version is asked before it gets traffic (``cdk/check_version.py``); this is the test
of the whole, by the address that users have. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

OUTPUTS = "outputs.json"
PACKAGE = "package.zip"
IMAGES = ("TILERY_STACK_IMAGE", "TILERY_STACK_LAMBDA_IMAGE")
ZIP = "TILERY_STACK_LAMBDA_ZIP"


class NotDeliveredError(Exception):
    """The command that failed."""


def run(*words: str, **more: str) -> None:
    """Run a command of the repository.

    Raises:
        NotDeliveredError: it fails.
    """
    if subprocess.run(words, env=os.environ | more, check=False).returncode:  # noqa: S603 - the words are ours
        raise NotDeliveredError(" ".join(words))


def deliver(stacks: list[str], parts: Mapping[str, str]) -> None:
    """Deploy these images and packages, shift traffic to them, ask the deployed services.

    Raises:
        NotDeliveredError: one of it fails.
    """
    options = ("--require-approval", "never", "--outputs-file", OUTPUTS)
    run("npm", "run", "-s", "cdk", "--", "deploy", *stacks, *options, **parts)
    if os.environ.get("TILERY_STACK_RELEASE") == "blue-green":
        for stack in stacks:
            if "-ecs-" in stack:
                run("make", "release", f"STACK={stack}", f"OUTPUTS={OUTPUTS}")
    source = os.environ.get("TILERY_STACK_TEST_SOURCE")
    for stack in stacks:
        if "-jobs-" not in stack:  # nobody asks jobs anything
            more = [f"SOURCE={source}"] if source else []
            run("make", "test-deployed", f"STACK={stack}", f"OUTPUTS={OUTPUTS}", *more, "WAIT=120")


def tested() -> dict[str, str]:
    """Return what the build has handed on, as settings."""
    found = {name: os.environ[name] for name in IMAGES if os.environ.get(name)}
    package = Path(os.environ.get("CODEBUILD_SRC_DIR_TESTED") or "nowhere", PACKAGE)
    return found | ({ZIP: str(package)} if package.is_file() else {})


def remember(parts: Mapping[str, str], folder: str) -> None:
    """Keep what was good: a zip itself, of images the names.

    Raises:
        NotDeliveredError: the bucket says no.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "release.json")
        file.write_text(json.dumps({name: value for name, value in parts.items() if name != ZIP}))
        if ZIP in parts:
            run("aws", "s3", "cp", "--only-show-errors", parts[ZIP], f"{folder}{PACKAGE}")
        run("aws", "s3", "cp", "--only-show-errors", str(file), f"{folder}release.json")


def last_good(parts: Mapping[str, str], folder: str, scratch: str) -> dict[str, str] | None:
    """Return what was good before, of the same kinds as ``parts``; None where there was nothing."""
    try:
        run("aws", "s3", "cp", "--only-show-errors", f"{folder}release.json", f"{scratch}/release.json")
        found = {name: value for name, value in json.loads(Path(scratch, "release.json").read_text()).items() if value}
        if ZIP in parts:
            run("aws", "s3", "cp", "--only-show-errors", f"{folder}{PACKAGE}", f"{scratch}/{PACKAGE}")
            found[ZIP] = f"{scratch}/{PACKAGE}"
    except (NotDeliveredError, OSError, ValueError):
        return None
    return found if found.keys() >= parts.keys() else None


def main() -> None:
    """Deliver, and end with an error whenever what is deployed now is not what was to be."""
    stacks, folder = os.environ["STACKS"].split(), f"s3://{os.environ['ARTIFACTS']}/last-good/"
    parts = tested()
    try:
        deliver(stacks, parts)
    except NotDeliveredError as problem:
        _go_back(stacks, parts, folder, f"{problem}: failed.")
    try:
        remember(parts, folder)
    except NotDeliveredError as problem:
        sys.exit(f"{problem}: failed. The release is well, but the next one could not come back to it.")


def _go_back(stacks: list[str], parts: Mapping[str, str], folder: str, said: str) -> NoReturn:
    """Deliver what was good before; ends with an error in any case."""
    with tempfile.TemporaryDirectory() as scratch:
        before = last_good(parts, folder, scratch)
        if before is None:
            sys.exit(f"{said} There is no earlier release to go back to.")
        sys.stdout.write(f"{said} Going back to {', '.join(before.values())}.\n")
        sys.stdout.flush()
        try:
            deliver(stacks, before)
        except NotDeliveredError as problem:
            sys.exit(f"{problem}: failed as well. Neither this release nor the one before it is well.")
    sys.exit(f"{said} The release before it is back.")


if __name__ == "__main__":
    main()
