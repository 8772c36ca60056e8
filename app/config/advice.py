"""What an operator should know of the settings that he has left alone."""

from __future__ import annotations

from collections.abc import Callable

from app.config.settings import Settings

_ADVICE = (
    "Links name the host that each request asks for, so documents with links in them are 'private' and no CDN keeps "
    "them. Set TILERY_PUBLIC_URL=https://… or TILERY_ALLOWED_HOSTS to the names that users see."
)


def advise(settings: Settings, say: Callable[[str], None], *, private: bool = False) -> None:
    """Tell the operator once, in this process and those forked off it, what the default costs him.

    Args:
        settings: his.
        say: writes a line of the log.
        private: whether he alone looks at it, on this machine: there is no CDN, and nothing is told.
    """
    global _advised  # noqa: PLW0603 - what forks inherit
    if not (_advised or settings.public_url or settings.allowed_hosts):
        _advised = True
        if not private:
            say(_ADVICE)


_advised = False
