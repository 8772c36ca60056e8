"""Engines and stores for tests."""

from __future__ import annotations

from app.config.engine_options import store_options
from app.config.settings import Settings
from tilery.engine import Engine
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

ENGINE = Engine()
"""For tests that only want to read."""


_STORES: dict[Settings, Stores] = {}


def stores_of(settings: Settings) -> Stores:
    """Return the stores of these settings, with their connections and what they remember."""
    permit = Policy.from_sources(settings.sources).locate
    return _STORES.setdefault(settings, Stores(store_options(settings), permit))


def close_stores() -> None:
    """Close those that tests have made."""
    while _STORES:
        _STORES.popitem()[1].close()
