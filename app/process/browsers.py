"""Is there somebody to open a browser for?"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping


def can_be_seen(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Return whether a window of a browser would be seen by whoever started the server.

    Args:
        environment: of this process.
        terminal: whether a person reads what is written.
    """
    if not terminal or environment.get("CI", "").lower() not in ("", "0", "false"):
        return False
    if environment.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> None:
    """Open a page in a new tab of the browser; without one, or where it fails, nothing happens."""
    try:
        webbrowser.open(address, new=2)
    except (webbrowser.Error, OSError):
        return
