"""Secrets kept out of the log: access tokens, and the signatures of addresses that the caller passed on."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(
    r"(?i)((?:access_token|signature|sig|x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid)(?:=|%3d))[^&\s\"%]*(?:%(?!26)[0-9a-f]{2}[^&\s\"%]*)*"
)


def hidden(text: str) -> str:
    """The text with a star in place of each secret's value."""
    return _SECRET.sub(r"\1*", text)


_TRACES = logging.Formatter()


class HideSecrets(logging.Filter):
    """Lets every record through, without its secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the texts of the record, that of its exception too."""
        if isinstance(record.args, tuple):
            record.args = tuple(hidden(value) if isinstance(value, str) else value for value in record.args)
        if isinstance(record.msg, str):
            record.msg = hidden(record.msg)
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
