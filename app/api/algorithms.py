"""``/algorithms``: what can be computed from pixels, with the parameters of each."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import answers
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.kinds import Choice
from app.api.params.parameter import Parameter
from app.api.params.table import PAGE_FORMAT

TAG = "Algorithms"


def _names() -> tuple[str, ...]:
    from tilery.rendering import algorithms

    return tuple(algorithms.names())


ALGORITHM_ID = Parameter(
    name="algorithmId",
    kind=Choice(names=_names, listed_at="/algorithms"),
    description="Name of the algorithm.",
    where="path",
    required=True,
)


async def algorithm_list(context: RequestContext[None]) -> Response:
    """Return the list of algorithms."""
    body: dict[str, Any] = {
        "algorithms": [
            {
                "id": name,
                "title": None,
                "links": [
                    {
                        "href": answers.link(context, f"/algorithms/{name}"),
                        "rel": "item",
                        "type": "application/json",
                        "templated": None,
                        "varBase": None,
                        "hreflang": None,
                        "title": f"Definition of {name} Algorithm",
                        "length": None,
                    }
                ],
            }
            for name in _names()
        ]
    }
    return answers.document(
        context,
        body,
        title="Algorithms",
        description="Computed from pixels before they become a picture: algorithm=… and algorithm_params=….",
        entries=[{"name": name, "path": f"algorithms/{name}"} for name in _names()],
    )


async def algorithm(context: RequestContext[None]) -> Response:
    """Return what an algorithm takes and gives."""
    from tilery.rendering import algorithms

    name = context.path.name("algorithmId")
    return answers.document(context, algorithms.describe(name), title=name)


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getAlgorithmList",
        paths=("/algorithms",),
        parameters=(PAGE_FORMAT,),
        answer=algorithm_list,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the list of available Algorithms.",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getAlgorithm",
        paths=("/algorithms/{algorithmId}",),
        parameters=(ALGORITHM_ID, PAGE_FORMAT),
        answer=algorithm,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the metadata of the specified algorithm.",
        produces=answers.PRODUCES,
    ),
)
