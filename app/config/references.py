"""References to variables in files of settings: ``${NAME}`` stands for the value of a variable, so that no secret need be
in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the same with the values of variables in the place of their names.

    Raises:
        ValueError: a variable is not set.
    """
    if isinstance(value, dict):
        return {name: filled_in(one, variables) for name, one in value.items()}
    if not isinstance(value, str):
        return value

    def found(reference: re.Match[str]) -> str:
        if not variables.get(reference[1]):
            raise ValueError(f"the variable {reference[1]} is not set")
        return variables[reference[1]].strip()

    return REFERENCE.sub(found, value)
