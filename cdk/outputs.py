"""What a deployed stack says of itself: asked of AWS, or read from the file that ``cdk deploy`` wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class NoOutputsError(Exception):
    """Why there are none, for a user."""


def of_stack(stack: str, file: str | None = None) -> dict[str, str]:
    """Return the outputs of a stack by their names.

    Args:
        stack: name of the stack, as ``mytiler-lambda-dev``.
        file: what ``cdk deploy --outputs-file`` wrote; without it AWS is asked.

    Raises:
        NoOutputsError: the stack is not there, or AWS says no.
    """
    if file:
        found = json.loads(Path(file).read_text())
        if stack not in found:
            raise NoOutputsError(f"{file} knows nothing of {stack}; it has {', '.join(found) or 'nothing'}.")
        return dict(found[stack])
    answer = aws("cloudformation", "describe-stacks", "--stack-name", stack)
    (described,) = answer["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def aws(*words: str) -> Any:
    """Return the answer of a command of the AWS command line.

    Raises:
        NoOutputsError: the command is not there, or it fails; with what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the words are ours
            ["aws", *words, "--output", "json"],  # noqa: S607 - the user's own
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise NoOutputsError("The AWS command line is not installed: https://aws.amazon.com/cli/") from None
    if done.returncode:
        raise NoOutputsError(done.stderr.strip() or f"aws {words[0]} {words[1]} failed")
    return json.loads(done.stdout or "{}")
