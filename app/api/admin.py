"""Who may change things: admins."""

from __future__ import annotations

from app.api.access.guard import GUARD, Guard
from app.api.links import Scope
from tilery.errors import Forbidden


async def need_admin(scope: Scope) -> None:
    """Check that a request comes from an admin; who guesses waits for the answer.

    Raises:
        Unauthorized: it carries no token, or a wrong one.
        Forbidden: it carries one that is for looking.
        TooManyGuesses: too many others guess.
    """
    guard: Guard | None = scope["state"][GUARD]
    if guard is None:
        raise Forbidden("Nobody may do this.")
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    await guard.need_admin(scope, authorization)
