"""Parameters of line profiles."""

from __future__ import annotations

from app.api.params.kinds import Integer
from app.api.params.parameter import Parameter
from app.api.params.parse import Values

SAMPLES = Parameter(
    name="samples",
    kind=Integer(least=2, most=4096),
    description="Positions along each line, at even distances. Defaults to 256.",
    implied=256,
)


def samples(values: Values) -> int:
    """Return positions along a line."""
    found: int = values.of(SAMPLES)
    return found
