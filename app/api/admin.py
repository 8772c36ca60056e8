"""Who may change things: those who carry the admin token."""

from __future__ import annotations

from app.api.links import Scope
from app.api.access.guesses import TOKENS, Tokens
from tilery.errors import Forbidden


async def need_admin(scope: Scope) -> None:
    """Check that a request comes from an admin; who guesses waits for the answer.

    Raises:
        Unauthorized: it carries no token, or a wrong one.
        Forbidden: it carries the access token, which is for looking.
        TooManyGuesses: too many others guess.
    """
    tokens: Tokens = scope["state"][TOKENS]
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    if tokens.admits_admin(authorization):
        return
    if tokens.needed and tokens.admits(scope, authorization):
        raise Forbidden("Only the admin token may change layers.")
    await tokens.refuse(scope, authorization, "The admin token is missing or wrong.")
