"""A query string becomes values, once: typed, checked, with what was wrong collected in FastAPI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import parse_qsl

from app.api.access import credentials
from app.api.params.kinds import Wrong
from app.api.params.parameter import Group, Parameter
from tilery.errors import InvalidParameter, OverLimit

LONGEST_QUERY = 64 * 1024
MOST_FIELDS = 2048
MOST_IGNORED = 16
"""Unknown names that a caller is told of."""


class MadeOfValues(Protocol):
    """What is made of values: one of `app.api.params.groups`."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return it as a request asks for it."""
        ...


G = TypeVar("G", bound=MadeOfValues)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What a request asks for."""

    given: Mapping[str, Any]
    """Every parameter of the route: its value, its default, or None."""
    canonical: str
    """Text that is the same for all spellings of the same request and differs for all others."""
    ignored: tuple[str, ...]
    """Names in the query that the route does not know, the first of them."""
    _made: dict[type[MadeOfValues], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def to(self, group: type[G]) -> G:
        """Return the values of a group of parameters; made once, for as long as these values are kept."""
        found: G | None = self._made.get(group)
        if found is None:
            found = self._made[group] = group.of(self)
        return found

    def __getitem__(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self.given[name]

    def of(self, parameter: Parameter) -> Any:
        """Return the value of a parameter, or the one that is implied where the route does not have it or it was not
        given.
        """
        value = self.given.get(parameter.name)
        return parameter.implied if value is None else value

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a parameter, or ``default`` where the route does not have it or it was not given."""
        value = self.given.get(name)
        return default if value is None else value


def pairs(query: str | bytes) -> list[tuple[str, str]]:
    """Return names and values of a query, decoded.

    Raises:
        OverLimit: the query is longer than any real one.
    """
    if len(query) > LONGEST_QUERY:
        raise OverLimit(f"The query has more than {LONGEST_QUERY} characters.", parameter="query", limit=LONGEST_QUERY)
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise OverLimit(
            f"The query has more than {MOST_FIELDS} parameters.", parameter="query", limit=MOST_FIELDS
        ) from None


class ParameterParser:
    """Parses the parameters of one route."""

    def __init__(self, parameters: Group, *, lower_case: bool = False) -> None:
        """``lower_case``: names are taken whatever their case."""
        self.parameters = parameters
        self.lower_case = lower_case
        self._of_path = tuple(parameter for parameter in parameters if parameter.where == "path")
        self._of_query = tuple(parameter for parameter in parameters if parameter.where == "query")
        self._spellings = {
            name.lower() if lower_case else name: parameter
            for parameter in self._of_query
            for name in (parameter.name, *parameter.old)
        }

    def query(self, query: str | bytes) -> Values:
        """Return the values of a query, as it stands in the URL.

        Raises:
            InvalidParameter: some are missing or wrong; ``errors`` has them all.
            OverLimit: the query is longer than any real one.
        """
        texts, ignored = self._texts(query)
        given = _all(self._of_query, texts)
        return Values(given=given, canonical=_canonical(self._of_query, given), ignored=ignored)

    def path(self, texts: Mapping[str, str | None]) -> dict[str, Any]:
        """Return the values of the path's parameters, which are decoded texts.

        Raises:
            InvalidParameter: some are wrong; ``errors`` has them all.
        """
        given: dict[str, Any] = {}
        try:
            for parameter in self._of_path:
                text = texts.get(parameter.name)
                value = None if text is None else parameter.kind.read(text)
                if value is None and parameter.required:
                    break
                given[parameter.name] = parameter.default if value is None else value
            else:
                return given
        except Wrong:
            pass
        # All that is wrong is said at once; what is right, which is every tile, does without the lists for it.
        return _all(self._of_path, {name: [text] for name, text in texts.items() if text is not None})

    def parse(self, query: str | bytes, path: Mapping[str, str | None]) -> tuple[Values, dict[str, Any]]:
        """Return the values of both, with everything that is wrong in either said at once.

        Raises:
            InvalidParameter: see `query` and `path`.
        """
        wrong: list[InvalidParameter] = []
        try:
            values = self.query(query)
        except InvalidParameter as error:
            wrong.append(error)
        try:
            places = self.path(path)
        except InvalidParameter as error:
            wrong.append(error)
        if wrong:
            problem = InvalidParameter(
                "; ".join(error.detail.rstrip(".") for error in wrong) + ".", parameter=wrong[0].parameter
            )
            problem.errors = tuple(item for error in wrong for item in error.errors)
            raise problem
        return values, places

    def _texts(self, query: str | bytes) -> tuple[dict[str, list[str]], tuple[str, ...]]:
        """Return texts by the name of their parameter, and the names that nobody knows."""
        texts: dict[str, list[str]] = {}
        ignored: dict[str, None] = {}
        for name, value in pairs(query):
            parameter = self._spellings.get(name.lower() if self.lower_case else name)
            if parameter is None:
                ignored[name] = None
            else:
                texts.setdefault(parameter.name, []).append(value)
        for name in credentials.NAMES:
            ignored.pop(name, None)
        ignored.pop("labels", None)  # a layer says them to its legend, and with it to its tiles
        return texts, tuple(islice(ignored, MOST_IGNORED))


class _AtPosition(Exception):
    """A wrong value and which of several it is."""

    def __init__(self, wrong: Wrong, text: object, position: int | None) -> None:
        super().__init__(wrong.message)
        self.wrong = wrong
        self.text = text
        self.position = position

    def document(self, parameter: Parameter) -> dict[str, Any]:
        location: list[str | int] = [parameter.where, parameter.name]
        if self.position is not None:
            location.append(self.position)
        document: dict[str, Any] = {
            "type": self.wrong.kind,
            "loc": location,
            "msg": self.wrong.message,
            "input": self.text,
        }
        if self.wrong.context:
            document["ctx"] = self.wrong.context
        return document


def _all(parameters: Group, texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the typed value of every parameter, or everything that is wrong with them."""
    errors: list[dict[str, Any]] = []
    briefs: list[str] = []
    given: dict[str, Any] = {}
    for parameter in parameters:
        try:
            given[parameter.name] = _value(parameter, texts.get(parameter.name, []))
        except _AtPosition as found:
            errors.append(found.document(parameter))
            briefs.append(f"{parameter.name}: {found.wrong.brief}")
    if errors:
        problem = InvalidParameter("; ".join(briefs[:8]) + ".", parameter=str(errors[0]["loc"][1]))
        problem.errors = tuple(errors)
        raise problem
    return given


def _value(parameter: Parameter, texts: list[str]) -> Any:
    """Return the typed value of the texts given for a parameter: of one that is not repeated, the last counts."""
    if not texts:
        value = None
    elif parameter.repeat:
        value = _several(parameter, texts)
    else:
        value = _one(parameter, texts[-1], None)
    if value is None and parameter.required:
        raise _AtPosition(Wrong("missing", "Field required"), texts[-1] if texts else None, None)
    return parameter.default if value is None else value


def _one(parameter: Parameter, text: str, position: int | None) -> Any:
    try:
        return parameter.kind.read(text)
    except Wrong as wrong:
        raise _AtPosition(wrong, text, position) from None


def _several(parameter: Parameter, texts: list[str]) -> tuple[Any, ...] | None:
    values: list[Any] = []
    for position, text in enumerate(texts):
        value = _one(parameter, text, position)
        if parameter.flat:
            values.extend(value)
        elif value is not None:
            values.append(value)
        if len(values) > parameter.most:
            message = f"List should have at most {parameter.most} items"
            raise _AtPosition(Wrong("too_long", message, {"max_length": parameter.most}), None, None)
    return tuple(values) or None


def _canonical(parameters: Group, given: Mapping[str, Any]) -> str:
    """Return name and value of everything in the query that differs from its default, in the table's order."""
    return "&".join(
        f"{parameter.name}={given[parameter.name]!r}"
        for parameter in parameters
        if given[parameter.name] != parameter.default
    )
