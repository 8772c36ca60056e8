"""The revisions of a layer in its store: which is shown, which may go."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tilery.errors import NotFound
from tilery.storage.objects import Store

_ORPHANED = 24 * 3600.0
"""Seconds after which files of a revision that never was switched to are put down to a publish that nobody resumed."""

_UNREAD = 600.0
"""Seconds after which no server reads a revision that another took the place of, whatever its settings."""


def document_before(store: Store, key: str) -> tuple[dict[str, Any] | None, str]:
    """Return the layer's document and its version; None where there is none, or a broken one."""
    try:
        blob = store.read(key)
    except NotFound:
        return None, "new"
    if blob is None:
        return None, "new"
    try:
        found = json.loads(blob.body)
    except ValueError:
        return None, blob.version
    return (found if isinstance(found, dict) else None), blob.version


def tidy(store: Store, layer_id: str, written: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """Remove the revisions before the last one, and what interrupted publishes left long ago."""
    history = written.get("history", [])
    unread = before is not None and _age(before.get("published")) > _UNREAD
    keep = {written["revision"], *(history[-1:] if unread else history)}
    old = set(history[:-1])
    files: dict[str, list[Any]] = {}
    for entry in store.entries(f"{layer_id}/"):
        parts = entry.key.split("/")
        if len(parts) > 2:
            files.setdefault(parts[1], []).append(entry)
    for revision, entries in files.items():
        if revision in keep or not _is_revision(revision):
            continue
        youngest = max(entry.modified for entry in entries)
        if revision in old or time.time() - youngest > _ORPHANED:
            for entry in entries:
                store.remove(entry.key)


def _age(published: object) -> float:
    """Return seconds since a moment as a document has it; none where it says nothing that can be read."""
    try:
        then = datetime.fromisoformat(str(published))
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - then).total_seconds() if then.tzinfo else 0.0


def _is_revision(name: str) -> bool:
    return len(name) == 22 and name[8] == "t" and name[15] == "-"
