"""What an OpenAPI document says, without references between its parameters."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def parameters(document: Json, operation: Json) -> list[Json]:
    """Return the parameters of an operation, each in full."""
    listed = document.get("components", {}).get("parameters", {})
    return [listed[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in operation.get("parameters", ())]
