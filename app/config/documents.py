"""References to variables in documents of settings: ``${NAME}`` stands for the value of a variable, so that no secret
need be in the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_text(value: str) -> bool:
    """Return whether a value is what would be in a file, and not the path of one."""
    return value.lstrip().startswith(("{", "[[")) or "\n" in value.strip()


def filled_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the same with the values of variables in the place of their names, in texts at any depth.

    Raises:
        ValueError: a variable is not set.
    """
    if isinstance(value, dict):
        return {name: filled_in(one, variables) for name, one in value.items()}
    if isinstance(value, list):
        return [filled_in(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def found(reference: re.Match[str]) -> str:
        if not variables.get(reference[1]):
            raise ValueError(f"the variable {reference[1]} is not set")
        return variables[reference[1]].strip()

    return REFERENCE.sub(found, value)


def told(error: ValidationError) -> str:
    """Return what is wrong without a value: it may be a secret."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc'])) or 'the document'}: {found['msg'].removeprefix('Value error, ')}"
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    )
