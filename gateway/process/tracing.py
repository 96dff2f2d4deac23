"""OpenTelemetry: one trace from the operator's call to the home region's commit and back.

Without an exporter nothing is recorded and no span is made, but trace ids still travel, so that the trace is whole
wherever somebody records it.
"""

import secrets
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = "traceparent"
_TRACE_BITS, _SPAN_BITS = 128, 64
_propagator = TraceContextTextMapPropagator()

T = TypeVar("T")


class Tracing:
    """Starts the spans of one process; makes none where nothing would record them."""

    def __init__(self, tracer: Tracer, *, records: bool = True) -> None:
        self._tracer = tracer
        self._records = records

    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str = "",
        links: Iterable[str] = (),
        attributes: Mapping[str, str | int] | None = None,
    ) -> AbstractContextManager[object]:
        """A current span. `parent` and `links` are traceparents; without a parent the current span is it."""
        if not self._records:
            return self._trace_only(parent) if kind == SpanKind.SERVER or parent else nullcontext()
        return self._tracer.start_as_current_span(
            name,
            context=_context_of(parent) if parent else None,
            kind=kind,
            links=[Link(_span_context_of(link)) for link in links if link],
            attributes=attributes,
            record_exception=False,
        )

    def around(
        self, awaited: Awaitable[T], name: str, *, parent: str, attributes: Mapping[str, str | int]
    ) -> Awaitable[T]:
        """A consumer's span around something that is under way; `parent` is the traceparent of its cause."""
        if not self._records:
            return awaited
        return self._within_span(awaited, name, parent, attributes)

    async def _within_span(
        self, awaited: Awaitable[T], name: str, parent: str, attributes: Mapping[str, str | int]
    ) -> T:
        with self.span(name, SpanKind.CONSUMER, parent=parent, attributes=attributes):
            return await awaited

    @contextmanager
    def _trace_only(self, parent: str) -> Iterator[None]:
        """Makes the caller's trace the current one, or a new one where the caller has none."""
        context = _span_context_of(parent) if parent else INVALID_SPAN_CONTEXT
        if not context.is_valid:
            context = SpanContext(_random_id(_TRACE_BITS), _random_id(_SPAN_BITS), is_remote=False)
        token = attach(set_span_in_context(NonRecordingSpan(context)))
        try:
            yield
        finally:
            detach(token)


def _random_id(bits: int) -> int:
    """An id of a trace or a span: 0 is none."""
    return secrets.randbits(bits) or 1


def current_traceparent() -> str:
    """The W3C traceparent of the current span; empty outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_TRACEPARENT, "")


def _context_of(traceparent: str) -> Context:
    return _propagator.extract({_TRACEPARENT: traceparent})


def _span_context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context_of(traceparent)).get_span_context()
