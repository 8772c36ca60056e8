"""One request to where keys of AWS come from, with secrets in its headers and its body.

Nothing that was sent is in a message: a library that does not like a header says its value, and so does one that does
not like an address.
"""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LONGEST = 64 << 10
_VALUE = re.compile(r"[\t\x20-\x7e]*")
"""What a header can have."""


class Unanswered(Exception):
    """A server gave no answer: the text names the host and says why, and has no secret."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came back."""

    host: str
    """That was asked, with its port."""
    status: int
    body: bytes
    """Its first 64 kB."""


def host_of(address: str) -> str:
    """Return the host and the port of an address.

    Raises:
        Unanswered: it has none.
    """
    try:
        return urlsplit(address).netloc.rpartition("@")[2]
    except ValueError:
        raise Unanswered("the address of the server that has them has no meaning") from None


def answer(method: str, address: str, *, headers: dict[str, str], body: bytes | None = None, seconds: float) -> Found:
    """Return the answer to one request on a connection of its own.

    Args:
        method: of the request.
        address: whom to ask for what.
        headers: that go with it.
        body: the same.
        seconds: that the server may be silent.

    Raises:
        Unanswered: nothing came back.
    """
    host = host_of(address)
    if not all(_VALUE.fullmatch(value) for value in headers.values()):
        raise Unanswered(f"{host} cannot be asked: a token or a key has characters that cannot be sent")
    try:
        parts = urlsplit(address)
        kind = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
        connection = kind(host, timeout=seconds)
    except (ValueError, http.client.HTTPException):
        raise Unanswered("the address of the server that has them has no meaning") from None
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        found = connection.getresponse()
        return Found(host, found.status, found.read(_LONGEST))
    except OSError as error:
        raise Unanswered(f"{host} cannot be asked: {error}") from None
    except http.client.HTTPException as error:  # of its text some have what was sent or what came
        raise Unanswered(f"{host} cannot be asked: {type(error).__name__}") from None
    except ValueError:
        raise Unanswered(f"{host} cannot be asked: the address has characters that cannot be sent") from None
    finally:
        connection.close()
