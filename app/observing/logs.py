"""Where the log of the service goes, and what its lines look like: text for people, JSON for programs.

One line a request says who asked for what, how it was answered, and where the time went (`json_line`, `text_line`).
Every other line that is about a request names it: by its fields in JSON, behind the message in text.
"""

from __future__ import annotations

import itertools
import logging
import operator
import os
import sys
import time
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from app.observing import redaction, request
from app.observing.request import Answer, RequestRecord

NAME = "tilery"
"""The logger above all of ours."""
REQUESTS = "tilery.requests"
"""The logger of the lines of requests."""
RAW = "tilery.emf"
"""The logger of lines that are to stand as they are, whatever the format."""
GDAL = "rasterio"
"""The logger above those through which GDAL's errors and warnings come."""
_FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
_TIME = "%Y-%m-%d %H:%M:%S %z"

_MOST_OF_GDAL = 5
"""Lines of GDAL that one request may leave."""

_AT_ONCE = 4096
"""Bytes that a pipe takes as one, whoever else writes into it (PIPE_BUF of Linux)."""
_ANSWERED, _FAILED = (f'Z","level":"{level}","logger":"{REQUESTS}","pid":' for level in ("info", "warning"))
"""What stands between the moment of a line and the number of its process."""
_THOUSANDTHS = tuple(f"{number:03d}" for number in range(1000))
_LEAST = {"all": 0, "failed": 400, "none": 1000}
_STATUS = operator.itemgetter(1)
_STAGES = ",".join(f'"{name}":%.6f' for name in request.STAGES)

Format = Literal["text", "json"]
Which = Literal["all", "failed", "none"]


class TextFormatter(logging.Formatter):
    """Lines for people, in gunicorn's form.

    Whatever a message is made of, it stays on its line: names of files, headers and other servers' words may have line
    breaks, and none begins a line that looks like one of ours. Only tracebacks have further lines, each indented.
    """

    def __init__(self) -> None:
        super().__init__(_FORMAT, _TIME)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the request that it is about."""
        if record.name == RAW:
            return record.getMessage()
        line, *further = super().format(record).split("\n")  # formatMessage leaves none in the first
        about = request.current() if record.name != REQUESTS else None
        if about is not None:
            known = "" if about.request_id in line else f"{about.request_id} "
            line = f"{line} [{known}{about.named()}]"
        return "\n".join((line, *(f"    {request.escaped(each)}" for each in further)))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the class above has it
        """Return the line without a traceback."""
        return request.escaped(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """Lines for programs: one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the request that it is about."""
        if record.name in (RAW, REQUESTS):
            return str(record.msg)
        parts = [_head(record.created, record.levelname, record.name, record.process)]
        message = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            parts.append(f'"traceback":{quoted(record.exc_text)}')
        parts.append(f'"message":{quoted(message)}')
        about = request.current()
        if about is not None:
            parts.append(_named(about))
        return "{" + ",".join(parts) + "}"


def formatter(kind: Format) -> logging.Formatter:
    """Return what makes lines of that kind."""
    return JsonFormatter() if kind == "json" else TextFormatter()


def start(level: str, kind: Format = "text") -> None:
    """Log from this level on: to standard error, where nobody has set another way."""
    logger = logging.getLogger(NAME)
    logger.setLevel(level.upper())
    logging.getLogger(RAW).setLevel(logging.INFO)  # whoever wants these lines has said so
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    prepare(handler, kind)
    logger.addHandler(handler)
    gdal = logging.getLogger(GDAL)
    gdal_handler = logging.StreamHandler()
    prepare(gdal_handler, kind)
    gdal_handler.addFilter(_few_of_gdal)
    gdal.addHandler(gdal_handler)
    gdal.setLevel(logger.level)
    gdal.propagate = False
    sys.unraisablehook = _note_ignored


def _note_ignored(ignored: sys.UnraisableHookArgs) -> None:
    """Write one line of an exception that nobody could catch, as of a file whose name for itself GDAL tells rasterio in
    no encoding that it knows; Python would write its trace, whatever the format of the log.
    """
    where = ignored.object if isinstance(ignored.object, str) else type(ignored.object).__name__
    logger = logging.getLogger(GDAL if GDAL in where else NAME)
    logger.warning("ignored in %s: %s: %s", where, ignored.exc_type.__name__, ignored.exc_value)


def _few_of_gdal(_record: logging.LogRecord) -> bool:
    """Return whether a line of GDAL is to be written: of one request the first ones. A bad raster makes thousands."""
    about = request.current()
    if about is None:
        return True
    about.gdal_lines += 1
    return about.gdal_lines <= _MOST_OF_GDAL


def prepare(handler: logging.Handler, kind: Format) -> None:
    """Have a handler write lines of that kind, without secrets."""
    handler.setFormatter(formatter(kind))
    if not any(isinstance(present, redaction.HideSecrets) for present in handler.filters):
        handler.addFilter(redaction.HideSecrets(but=(REQUESTS, RAW)))


class RequestLog:
    """Writes the lines of requests. Has no state but its options: it is on the way of every tile."""

    def __init__(self, which: Which, kind: Format) -> None:
        """Write those of some answers, in that form."""
        self.least = _LEAST[which]
        """The least status of an answer that leaves a line."""
        self._line = json_line if kind == "json" else text_line
        self._alone = kind == "text"
        self._logger = logging.getLogger(REQUESTS)

    def write(self, answers: Sequence[Answer]) -> None:
        """Write the lines of some answers, in their order; several at a time where each is whole by itself."""
        if self.least:
            answers = [answer for answer in answers if answer[1] >= self.least]
        if max(map(_STATUS, answers), default=0) < 500:
            self._write(answers, logging.INFO)
            return
        for failed, some in itertools.groupby(answers, lambda answer: answer[1] >= 500):
            self._write(list(some), logging.WARNING if failed else logging.INFO)

    def _write(self, answers: Sequence[Answer], level: int) -> None:
        if not answers or not self._logger.isEnabledFor(level):
            return
        make = self._line
        lines = [make(answer, level) for answer in answers]
        number = 1 if self._alone else max(1, _AT_ONCE // (max(map(len, lines)) + 1))
        for first in range(0, len(lines), number):
            self._emit(level, "\n".join(lines[first : first + number]), answers[first][4])

    def _emit(self, level: int, text: str, moment: float) -> None:
        # made by hand: logging's own way looks for the line of code that called it, at twice the cost
        entry = logging.LogRecord(REQUESTS, level, "", 0, text, None, None)
        entry.created = moment
        self._logger.handle(entry)


def json_line(answer: Answer, level: int) -> str:
    """Return the line of a request as JSON.

    Put together by hand and in one go: it takes a third of the time of ``json.dumps``, and a line is a part of what a
    tile out of memory costs that can be measured.
    """
    record, status, size, seconds, moment = answer
    head = _FAILED if level >= logging.WARNING else _ANSWERED
    stages = record.stages() if record.stopwatches else None
    whole = int(moment)
    second = _second[1] if _second[0] == whole else _text_of(whole)
    return (
        f'{{"time":"{second}{_THOUSANDTHS[int((moment - whole) * 1000)]}{head}{_pid}'
        f',"request_id":{quoted(record.request_id)},"method":{quoted(record.method)},"path":{quoted(record.path)}'
        f"""{"" if (text := record.trace_id) is None else f',"trace_id":{quoted(text)}'}"""
        f"""{"" if (text := record.source) is None else f',"source":{quoted(text)}'}"""
        f"""{"" if (text := record.layer) is None else f',"layer":{quoted(text)}'}"""
        f',"status":{status},"bytes":{size},"seconds":{seconds:.6f}'
        f"""{"" if (text := record.client) is None else f',"client":{quoted(text)}'}"""
        f"""{"" if (text := record.access) is None else f',"access":{quoted(text)}'}"""
        f"""{"" if (text := record.route) is None else f',"route":"{text}"'}"""
        f"""{"" if (text := record.tile) is None else f',"tile":{quoted(text)}'}"""
        f"""{"" if (text := record.how) is None else f',"how":"{text}"'}"""
        f"""{"" if (text := record.code) is None else f',"code":"{text}"'}"""
        f"""{"" if stages is None else f",{_STAGES % stages}"}}}"""
    )


def text_line(answer: Answer, _level: int) -> str:
    """Return the same for people."""
    record, status, size, seconds, _ = answer
    text = f"{record.request_id} {record.method} {record.path!r} {status} {size} B {seconds * 1000:.1f} ms"
    for value in (record.how, record.code, record.source, record.client):
        if value is not None:
            text += f" {request.printable(value)}"
    stages = record.stages()
    if stages is not None:
        named = zip(request.STAGES, stages, strict=True)
        text += " (" + ", ".join(f"{name} {value * 1000:.1f}" for name, value in named if value) + ")"
    return text


def _named(record: RequestRecord) -> str:
    """Return the fields that say which request a line is about."""
    text = f'"request_id":{quoted(record.request_id)},"method":{quoted(record.method)},"path":{quoted(record.path)}'
    if record.trace_id is not None:
        text += f',"trace_id":{quoted(record.trace_id)}'
    if record.source is not None:
        text += f',"source":{quoted(record.source)}'
    if record.layer is not None:
        text += f',"layer":{quoted(record.layer)}'
    return text


def _head(moment: float, level: str, name: str, process: int | None) -> str:
    """Return the fields that every line begins with."""
    return f'"time":"{_time(moment)}","level":"{level.lower()}","logger":"{name}","pid":{process or _pid}'


_pid = os.getpid()  # not asked for each time: that is a call of the system


def _forked() -> None:
    global _pid  # noqa: PLW0603 - it is another process
    _pid = os.getpid()


os.register_at_fork(after_in_child=_forked)

_second: tuple[int, str] = (0, "")


def _time(moment: float) -> str:
    """Return a moment as RFC 3339 has it, in UTC."""
    whole = int(moment)
    return f"{_text_of(whole)}{_THOUSANDTHS[int((moment - whole) * 1000)]}Z"


def _text_of(second: int) -> str:
    """Return a second as RFC 3339 has it, with a point behind it; it is made once for all lines of the second."""
    global _second  # noqa: PLW0603 - of one line to the next it mostly is the same
    if _second[0] != second:
        _second = (second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)))
    return _second[1]
