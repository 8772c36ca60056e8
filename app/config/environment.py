"""Settings from environment variables and ``.env``: what pydantic-settings does, with rules of ours.

lists       commas between the parts; as JSON, ``["/a,b.tif"]``, where a part has a comma itself
empty       an empty variable is one that is not set; that of a list empties the list: whoever empties a list of what is
            allowed does not want the default
names       the first name of a field that is set counts: ours, then those of TiTiler or of AWS
mistakes    all of them at once, each under the name of the variable to change
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AliasChoices, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.config.shared import split

CommaList = Annotated[tuple[str, ...], BeforeValidator(split)]
"""A list that a variable has with commas between its parts."""


class WrongVariables(ValueError):
    """What is wrong with the environment, a line for each variable."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        """``problems``: what is wrong, by the variable's name."""
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVariable:
    """One setting as the environment knows it."""

    field: str
    names: tuple[str, ...]
    """Ours, then those that are read when it is not set."""
    is_list: bool
    secret: bool
    explanation: str

    def name_in(self, place: Mapping[str, str]) -> str | None:
        """Return the first of its names that is set in a place; an empty variable is not, unless it is a list."""
        return next((name for name in self.names if name in place and (place[name].strip() or self.is_list)), None)


class EnvironmentSettings(BaseSettings):
    """The base of settings classes. Fields name their variables with ``validation_alias=AliasChoices(…)``."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    def __init__(self, **values: Any) -> None:
        """Take the values that are given, then those of the environment, then those of ``.env``.

        Args:
            values: by field; and ``_env_file``, None to read no file.

        Raises:
            WrongVariables: a value is not what its setting takes, or does not go with another one.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise WrongVariables(_problems(type(self), error, values)) from None
        if problems := self._wrong_together():
            raise WrongVariables(problems)

    def _wrong_together(self) -> dict[str, str]:
        """Return what settings say together that cannot be, by the variable to change."""
        return {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours take its place
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are none
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return what is given, the process's environment and the file, in the order in which they win."""
        file = getattr(dotenv_settings, "env_file", None)
        return (init_settings, _Variables(settings_cls, os.environ), _Variables(settings_cls, written(file)))

    @classmethod
    def variables(cls) -> tuple[EnvironmentVariable, ...]:
        """Return the variables of all fields, in the order in which they are declared."""
        return tuple(_variable(name, field) for name, field in cls.model_fields.items())


class _Variables(PydanticBaseSettingsSource):
    """Values of variables by the name that pydantic knows each field by."""

    def __init__(self, settings_cls: type[BaseSettings], place: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._place = place

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a field's variable, None where none is set, and the key that it goes under."""
        variable = _variable(field_name, field)
        name = variable.name_in(self._place)
        return (None if name is None else _parsed(self._place[name], field), variable.names[0], False)

    def __call__(self) -> dict[str, Any]:
        """Return the values of all fields whose variables are set."""
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {key: value for value, key, _ in found if value is not None}


def written(path: Any = ".env") -> dict[str, str]:
    """Return the variables in a file; none where there is no such file."""
    if path is None or not Path(path).is_file():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _variable(name: str, field: FieldInfo) -> EnvironmentVariable:
    alias = field.validation_alias
    names = tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else (str(alias or name),)
    return EnvironmentVariable(
        field=name,
        names=names,
        is_list=get_origin(field.annotation) is tuple,
        secret=field.repr is False,
        explanation=field.description or "",
    )


def _parsed(text: str, field: FieldInfo) -> Any:
    """Return a text as pydantic takes it for the field's type: choices in lower case."""
    if get_origin(field.annotation) is Literal and text.lower() in get_args(field.annotation):
        return text.lower()
    return text


def _problems(
    settings_cls: type[EnvironmentSettings], error: ValidationError, given: Mapping[str, Any]
) -> dict[str, str]:
    """Return what pydantic found wrong, by the name that was used: the argument's, or the variable's that is set."""
    variables = {name: each for each in settings_cls.variables() for name in (each.field, *each.names)}
    file = written(given.get("_env_file", settings_cls.model_config.get("env_file")))
    problems = {}
    for found in error.errors(include_url=False, include_context=False):
        name = str(found["loc"][0]) if found["loc"] else "settings"
        variable = variables.get(name)
        if variable is not None and variable.field not in given:
            name = variable.name_in(os.environ) or variable.name_in(file) or name
        elif variable is not None:
            name = variable.field
        problems[name] = found["msg"].removeprefix("Value error, ")
    return problems
