"""Secrets kept out of the log: access tokens, user information in addresses, and the signatures of addresses that the
caller passed on.

Of an address in a text the values of its query go, whatever their names: signatures have many names, and new ones come.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache

_SECRET = re.compile(
    r"(?i)((?:access_token|api[_-]?key|token|secret|password|passwd|signature|sig|policy|key-pair-id|x-amz-[a-z-]{1,40}"
    r"|x-goog-[a-z-]{1,40}|googleaccessid|awsaccesskeyid)(?:=|%3d|%253d))[^&\s\"'%]*(?:%(?!26|2526)[0-9a-f]{2}[^&\s\"'%]*)*"
)
_BEARER = re.compile(r"(?i)(\bbearer )[A-Za-z0-9._~+/=-]+")
_USER = re.compile(
    r"(?i)((?:://|%3a%2f%2f|%253a%252f%252f))[^/\s\"'?&%@]*(?:%(?!2f|252f|40)[^/\s\"'?&%@]*)*(?:@|%40|%2540)"
)
# Neither looks beyond the beginning of the next address: the time that they take grows with the text and no faster.
_QUERY = re.compile(r"(://(?:(?!://)[^\s?\"'<>])*\?)([^\s\"'<>]+)")
_ENCODED_QUERY = re.compile(r"(?i)(%3a%2f%2f(?:(?!%3f|%3a%2f%2f)[^&\s\"'])*%3f)([^&\s\"']+)")
_VALUE = re.compile(r"(=)[^&]*")
_ENCODED_VALUE = re.compile(r"(?i)(%3d|=)(?:(?!%26)[^&])*")
_LONGEST = 10_000
"""Characters of a text that are looked through; what is behind them is cut off."""


def hidden(text: str) -> str:
    """Return the text with a star in place of each secret's value."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    if "=" not in text and "://" not in text and "%" not in text and "earer " not in text:
        return text
    text = _SECRET.sub(r"\1*", _BEARER.sub(r"\1*", text))
    if "://" in text or "%3" in text or "%253" in text:
        text = _USER.sub(r"\1*@", text)
        text = _QUERY.sub(lambda found: found[1] + _VALUE.sub(r"\1*", found[2]), text)
        text = _ENCODED_QUERY.sub(lambda found: found[1] + _ENCODED_VALUE.sub(r"\1*", found[2]), text)
    return text


@lru_cache(maxsize=4096)
def address(text: str) -> str:
    """Return the address of a source as a log may have it: without its query and without user information."""
    place, question, _ = text[:1024].partition("?")
    return _USER.sub(r"\1*@", place) + ("?*" if question else "")


_PLAIN = (str, int, float, type(None))
_TRACES = logging.Formatter()


class HideSecrets(logging.Filter):
    """Lets every record through, without its secrets."""

    def __init__(self, but: tuple[str, ...] = ()) -> None:
        """Leave those of some loggers alone, who have hidden theirs before."""
        super().__init__()
        self._but = but

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the texts of the record, that of its exception too."""
        if record.name in self._but:
            return True
        if isinstance(record.args, tuple) and all(isinstance(value, _PLAIN) for value in record.args):
            record.args = tuple(hidden(value) if isinstance(value, str) else value for value in record.args)
        elif record.args:  # by name; or things whose texts are made now, as exceptions
            record.msg, record.args = record.getMessage(), ()
        if isinstance(record.msg, str | BaseException):
            record.msg = hidden(str(record.msg))
        if record.exc_info and not record.exc_text:
            record.exc_text = _TRACES.formatException(record.exc_info)  # what formatters take where it is set
        if record.exc_text:
            record.exc_text = hidden(record.exc_text)
        return True


def install(*names: str) -> None:
    """Hide secrets in what these loggers say, from now on."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(present, HideSecrets) for present in logger.filters):
            logger.addFilter(HideSecrets())
