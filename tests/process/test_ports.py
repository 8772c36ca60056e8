"""Where a server can listen, and for whom a browser is opened."""

from __future__ import annotations

import socket
import sys

import pytest

from app.process import browsers, ports
from tests.support.ports import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_free(host: str) -> None:
    assert ports.problem(host, free_port()) is None


def test_a_port_that_is_taken_and_the_next_that_is_free() -> None:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        first.listen()
        port = first.getsockname()[1]
        assert ports.is_taken("127.0.0.1", port)
        assert "already" in (ports.problem("127.0.0.1", port) or "")
        found = ports.free_after("127.0.0.1", port)
        assert found is not None
        assert found > port
        assert ports.problem("127.0.0.1", found) is None


def test_there_is_no_port_after_the_last() -> None:
    assert ports.free_after("127.0.0.1", 65535) is None


@pytest.mark.parametrize(
    ("host", "said"), [("nowhere.invalid", "knows no host"), ("192.0.2.1", "is no address of this machine")]
)
def test_a_host_that_is_not_ours(host: str, said: str) -> None:
    assert said in (ports.problem(host, 8000) or "")
    assert not ports.is_taken(host, 8000)


@pytest.mark.parametrize(
    ("environment", "terminal", "seen"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ({"BROWSER": "firefox"}, True, True),
        ({"DISPLAY": ":0"}, False, False),
        ({"DISPLAY": ":0", "CI": "true"}, True, False),
        ({"DISPLAY": ":0", "CI": "false"}, True, True),
        ({}, True, sys.platform in ("darwin", "win32")),
    ],
)
def test_a_browser_is_for_somebody_who_sees_it(environment: dict[str, str], terminal: bool, seen: bool) -> None:
    assert browsers.can_be_seen(environment, terminal=terminal) is seen
