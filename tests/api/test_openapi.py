"""The OpenAPI document against the facts of TiTiler 2.4.0's: generated clients must not notice the change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api.app import create_app
from app.config.settings import Settings
from tests.support.openapi import parameters as parameters_of

THEIRS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "titiler-2.4.0.json").read_text())


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    document: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()
    return document


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_every_operation_of_theirs_is_ours(ours: dict[str, Any], name: str) -> None:
    method, path = name.split()
    expected, found = THEIRS[name], ours["paths"][path][method]
    assert found["operationId"] == expected["operationId"]
    assert found["tags"] == expected["tags"]
    parameters = {}
    for item in parameters_of(ours, found):
        facts = {"required": item["required"]}
        if item["schema"].get("default") is not None:
            facts["default"] = item["schema"]["default"]
        parameters[f"{item['in']} {item['name']}"] = facts
    ours_alone = {key: facts for key, facts in parameters.items() if key not in expected["parameters"]}
    assert {key: facts for key, facts in parameters.items() if key not in ours_alone} == expected["parameters"]
    assert path == "/cog/map" or not ours_alone
    assert not any(facts["required"] for facts in ours_alone.values())
    # a .jpg is image/jpeg, which is what it always was
    assert set(expected["media_types"]) - {"image/jpg"} <= set(found["responses"]["200"]["content"])


def test_the_document_is_valid(ours: dict[str, Any]) -> None:
    assert ours["openapi"].startswith("3.1.")
    assert [f"{list(error.path)}: {error.message}" for error in OpenAPIV31SpecValidator(ours).iter_errors()] == []


def test_the_validator_finds_what_was_wrong(ours: dict[str, Any]) -> None:
    spoiled = json.loads(json.dumps(ours))
    spoiled["components"]["parameters"]["layer"]["required"] = False
    assert list(OpenAPIV31SpecValidator(spoiled).iter_errors())


def test_every_array_says_what_is_in_it(ours: dict[str, Any]) -> None:
    """Generators leave out what they cannot type."""

    def arrays(found: Any) -> Iterator[Any]:
        if isinstance(found, dict):
            if found.get("type") == "array":
                yield found
            for item in found.values():
                yield from arrays(item)
        elif isinstance(found, list):
            for item in found:
                yield from arrays(item)

    found = list(arrays(ours))
    assert len(found) > 20
    assert [item for item in found if not item.get("items")] == []


@pytest.mark.parametrize("path", ["/cog/feature", "/cog/statistics"])
def test_bodies_are_described_as_what_is_taken(ours: dict[str, Any], path: str) -> None:
    operation = ours["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": ours["components"]}
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    for geometry in (
        {"type": "Polygon", "coordinates": [ring]},
        {"type": "MultiPolygon", "coordinates": [[ring], [ring]]},
    ):
        jsonschema.validate({"type": "Feature", "properties": None, "geometry": geometry}, whole)
    for wrong in ({"type": "Polygon", "coordinates": [ring[:2]]}, {"type": "Polygon", "coordinates": ring}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"type": "Feature", "geometry": wrong}, whole)


def test_operation_ids_are_unique(ours: dict[str, Any]) -> None:
    ids = [operation["operationId"] for item in ours["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(ours: dict[str, Any]) -> None:
    text = json.dumps(ours)
    for part in text.split('"$ref": "#/components/')[1:]:
        kind, name = part.partition('"')[0].split("/")
        assert name in ours["components"][kind]


def test_every_parameter_of_a_path_is_described(ours: dict[str, Any]) -> None:
    for path, item in ours["paths"].items():
        for operation in item.values():
            named = {parameter["name"] for parameter in parameters_of(ours, operation) if parameter["in"] == "path"}
            assert named == {part.partition("}")[0] for part in path.split("{")[1:]}, path


def test_the_cog_routes_can_be_left_out() -> None:
    document = create_app(Settings(_env_file=None, disable_cog=True)).openapi()
    assert not any(path.startswith("/cog") for path in document["paths"])
