"""Documents of settings, JSON or TOML: in the variable itself, or in the file that it names.

In their texts ``${NAME}`` stands for the value of a variable, so that no secret need be in the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.config.environment import WrongVariables

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_text(value: str) -> bool:
    """Return whether a value is what would be in a file, and not the path of one."""
    return value.lstrip().startswith(("{", "[[")) or "\n" in value.strip()


def read(text: str) -> Any:
    """Return what a document says, with its references as they are written.

    Args:
        text: the document, JSON where it begins with a brace; or the path of its file, JSON by its name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is neither JSON nor TOML; the text says where, and none of its values.
    """
    here = is_text(text)
    content = text if here else Path(text).read_text("utf-8")
    is_json = text.lstrip().startswith("{") if here else text.lower().endswith(".json")
    try:
        if is_json:
            return json.loads(content)
        import tomllib  # here, where it is needed: most have no such document

        return tomllib.loads(content)
    except ValueError as error:  # the messages of both parsers have places and no values
        where = "the setting" if here else "the file"
        raise ValueError(f"{where} is not {'JSON' if is_json else 'TOML'}: {str(error)[:150]}") from None


@contextmanager
def failures(variable: str) -> Iterator[None]:
    """Raise what goes wrong with a document as what is wrong with its variable. No value is in the message."""
    try:
        yield
    except OSError as error:
        raise WrongVariables({variable: f"the file cannot be read: {error.strerror}"}) from None
    except ValidationError as error:
        raise WrongVariables({variable: told(error)}) from None
    except ValueError as error:
        raise WrongVariables({variable: str(error)[:200]}) from None


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
