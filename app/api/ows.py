"""Failures as XML, for clients of OGC's older services, which look for nothing else.

Status and words are those of the problem document (see `app.api.problems`), which also says what goes to the log.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import Response

from app.api import problems
from tilery.errors import InvalidParameter, TileryError

XML = "application/xml"

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document can hold (XML 1.0, 2.2)."""


def sayable(text: str) -> str:
    """Return the text with a sign in the place of each character that no XML document can hold."""
    return _NO_XML.sub("\ufffd", text)


class ServiceError(InvalidParameter):
    """A request that a service cannot answer, for a reason that its standard has a name for."""

    status = 400

    def __init__(self, reason: str, detail: str, *, parameter: str) -> None:
        """``reason`` is the standard's code: ``MissingParameterValue``."""
        super().__init__(detail, parameter=parameter)
        self.reason = reason


def exception_report(error: TileryError, request: Request) -> Response:
    """Return an ``ows:ExceptionReport`` (OGC 06-121r3, 8), as WMTS has it."""
    locator = f" locator={quoteattr(error.parameter)}" if error.parameter else ""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="1.0.0">'
        f'<ows:Exception exceptionCode="{_reason(error)}"{locator}>'
        f"<ows:ExceptionText>{said(error, request)}</ows:ExceptionText>"
        "</ows:Exception></ows:ExceptionReport>\n"
    )
    return answer(error, request, text, XML)


def said(error: TileryError, request: Request) -> str:
    """Return the sentence for people and what to tell the operator, escaped."""
    return escape(f"{error.detail} (request {request.state.request_id})")


def answer(error: TileryError, request: Request, text: str, media_type: str) -> Response:
    """Return the text in the place of the problem document, with its status and headers."""
    response = problems.of_error(error, request.state.request_id)
    response.body = text.encode(errors="replace")
    response.headers["Content-Length"] = str(len(response.body))
    response.headers["Content-Type"] = media_type
    return response


def _reason(error: TileryError) -> str:
    if isinstance(error, ServiceError):
        return error.reason
    if error.code == "tile_outside_bounds":
        return "TileOutOfRange"
    return "InvalidParameterValue" if error.parameter else "NoApplicableCode"
