"""Traces for OpenTelemetry: a span for each request, and below it one for each stage of its work.

The stages are those of the log's line. ``sample`` is what the others leave of the work, as there. Spans are made when
the request has been answered, of moments that were noted meanwhile, and sent by a thread of the SDK's; where to, and
how many of them, is said by OpenTelemetry's own variables. Loaded only where traces are wanted.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.config import settings as settings_
from app.config.settings import Settings
from app.observing import request
from app.observing.request import STAGES, RequestRecord, Stopwatch
from tilery import __version__, stages

MOST_SPANS = 64
"""Spans of one piece of work at most; further ones are counted."""
SHORTEST_REST = 50e-6
"""Seconds from which on what lies between two stages is a span of its own."""
FLUSH_SECONDS = 2.0
"""How long a service that stops waits for its last spans to be sent."""

_SENDABLE = re.compile(r"[\x20-\x7e]{1,512}")
_propagator = TraceContextTextMapPropagator()


class TracedStages(stages.Stages):
    """Seconds by stage, and when each was entered and left."""

    __slots__ = ("dropped", "spans")

    def __init__(self) -> None:
        """Begin with nothing noted."""
        super().__init__()
        self.spans: list[tuple[int, float, float]] = []
        """Stage, begin and end."""
        self.dropped = 0

    def add(self, which: int, seconds: float, began: float) -> None:
        """Add what was measured."""
        super().add(which, seconds, began)
        if len(self.spans) < MOST_SPANS:
            self.spans.append((which, began, time.perf_counter()))
        else:
            self.dropped += 1


class RequestTrace:
    """The span of one request."""

    __slots__ = ("_context", "_offset", "_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, parent: Context, method: str) -> None:
        """The request begins now."""
        self._offset = time.time_ns() - int(time.perf_counter() * 1e9)
        self._tracer = tracer
        self._span = tracer.start_span(method, parent, SpanKind.SERVER)
        self._context = trace.set_span_in_context(self._span, parent)

    @property
    def id(self) -> str:
        """The trace that it is in, as 32 hexadecimal digits."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def stages(self) -> stages.Stages:
        """Return what measures the stages of some work."""
        return TracedStages() if self._span.is_recording() else stages.Stages()

    def headers(self) -> str:
        """Return the lines that tell another server of this trace, each with its end."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, self._context)
        return "".join(f"{name}: {value}\r\n" for name, value in carrier.items() if _SENDABLE.fullmatch(value))

    def end(self, record: RequestRecord, status: int, size: int) -> None:
        """The request has been answered."""
        span = self._span
        if span.is_recording():
            span.update_name(f"{record.method} {record.route or 'other'}")
            span.set_attributes(_attributes(record, status, size))
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR, record.code))
            for stopwatch in record.stopwatches:
                self._add_work(stopwatch)
        span.end()

    def _add_work(self, stopwatch: Stopwatch) -> None:
        arrived, began, ended = stopwatch.moments()
        self._add("queue", arrived, began)
        measured = stopwatch.stages
        if not isinstance(measured, TracedStages):
            return
        found = [(which, start, min(end, ended)) for which, start, end in list(measured.spans) if start < ended]
        for which, start, end in found:
            self._add(stages.NAMES[which], start, end)
        for start, end in _between(((start, end) for _, start, end in found), began, ended):
            self._add("sample", start, end)
        if measured.dropped:
            self._span.set_attribute("tilery.spans.dropped", measured.dropped)

    def _add(self, name: str, began: float, ended: float) -> None:
        """Add a span below that of the request, between two moments of the clock for intervals."""
        span = self._tracer.start_span(name, self._context, start_time=self._moment(began))
        span.end(self._moment(ended))

    def _moment(self, seconds: float) -> int:
        return self._offset + int(seconds * 1e9)


class Traces:
    """Makes the traces of one application, and sends them."""

    def __init__(self, settings: Settings) -> None:
        """Send spans as OpenTelemetry's variables say; named after the service, where they give it no name."""
        named = "service.name" in (settings_.environment("OTEL_RESOURCE_ATTRIBUTES") or "")
        name = settings_.environment("OTEL_SERVICE_NAME")
        own = {} if name or named else {"service.name": settings.name}
        self._provider = TracerProvider(
            resource=Resource.create({**own, "service.version": __version__}), shutdown_on_exit=False
        )
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("tilery", __version__)

    def begin(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestTrace:
        """Return the trace of a request that begins, which goes on with that of its caller where it has one."""
        carrier: dict[str, Any] = {}
        for name, value in headers:
            if name in (b"traceparent", b"tracestate"):
                carrier.setdefault(name.decode("ascii"), value.decode("latin-1"))
        parent = _propagator.extract(carrier, Context()) if carrier else Context()
        return RequestTrace(self._tracer, parent, method)

    def close(self) -> None:
        """Send what waits, within seconds, and end."""
        patience = threading.Timer(FLUSH_SECONDS, self._exporter.shutdown)  # whoever does not answer is asked no more
        patience.daemon = True
        patience.start()
        self._provider.shutdown()
        patience.cancel()


def of_upstream() -> str:
    """Return the lines that tell whoever is asked for a raster of the trace at hand; nothing where there is none."""
    record = request.current()
    return "" if record is None or record.trace is None else record.trace.headers()


def _attributes(record: RequestRecord, status: int, size: int) -> Mapping[str, str | int | float]:
    """Return what is known of a request: what its line in the log has, by the names of OpenTelemetry where
    it has some.
    """
    known: dict[str, str | int | float | None] = {
        "http.request.method": record.method,
        "url.path": record.path,
        "http.response.status_code": status,
        "http.response.body.size": size,
        "tilery.request_id": record.request_id,
        "tilery.route": record.route,
        "tilery.source": record.source,
        "tilery.layer": record.layer,
        "tilery.tile": record.tile,
        "tilery.how": record.how,
        "tilery.access": record.access,
        "error.type": record.code,
    }
    for name, seconds in zip(STAGES, record.stages() or (), strict=False):
        known[f"tilery.seconds.{name}"] = round(seconds, 6)
    return {name: value for name, value in known.items() if value is not None}


def _between(spans: Iterable[tuple[float, float]], began: float, ended: float) -> Iterable[tuple[float, float]]:
    """Yield what of a time no span covers, as begin and end, where it is long enough."""
    last = began
    for start, end in sorted(spans):
        if start - last >= SHORTEST_REST:
            yield last, start
        last = max(last, end)
    if ended - last >= SHORTEST_REST:
        yield last, ended
