"""Settings of an application inside of another process, as a notebook's kernel or a function that warms up: nothing of
the environment is in them that would open it to others, close it, or have it tell somebody of itself.
"""

from __future__ import annotations

from typing import Any

from app.config.settings import Settings

_OFF: dict[str, Any] = {
    "sources_file": None,
    "catalog": None,
    "tile_store": None,
    "access_token": None,
    "access": None,
    "admin_token": None,
    "api_docs": "open",
    "client_rate": None,
    "telemetry": False,
    "public_url": None,
    "root_path": "",
    "allowed_hosts": ("*",),
    "disable_cog": False,
    "log_requests": "none",
    "metrics_port": None,
    "emf_namespace": None,
}


def isolated(sources: tuple[str, ...], **own: Any) -> Settings:
    """Return settings by which these sources may be read, and nothing else.

    Args:
        sources: see ``TILERY_SOURCES``.
        own: further settings.
    """
    return Settings(_env_file=None, sources=sources, **(_OFF | own))
