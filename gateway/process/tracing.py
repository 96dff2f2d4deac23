"""OpenTelemetry: one trace from the operator's call to the home region's commit and back.

The standard OTEL_ variables configure exporters. Without an exporter nothing is recorded and no span is made, but trace
ids still travel. The trace is thus complete in every process that records it.
"""

import os
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
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

from gateway.process.files import go_on_private

QUEUE_SIZE = 8192  # spans that wait for the exporter before new ones are dropped
LINKS_LIMIT = 256  # links of one span: a full batch links to the trace of each of its envelopes
SPANS_FILE = "CROSSREGION_SPANS_FILE"  # a file for spans as JSON lines, for the demo and tests
_TRACEPARENT = "traceparent"
_propagator = TraceContextTextMapPropagator()


class _SpansFile(ConsoleSpanExporter):
    """Spans as JSON lines in a file, which is closed when the provider shuts down."""

    def __init__(self, path: str) -> None:
        self._stream = TextIOWrapper(go_on_private(Path(path)), encoding="utf-8", line_buffering=True)
        super().__init__(out=self._stream, formatter=lambda span: span.to_json(indent=None) + "\n")

    def shutdown(self) -> None:
        """See OpenTelemetry."""
        self._stream.close()


def make_provider(service: str, instance: str) -> TracerProvider:
    """The tracer provider of a process: `service` is region-node or coordinator, `instance` its region or number."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance})
    exporters: list[SpanExporter] = []
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ or "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in os.environ:
        # A large import, needed only by processes that export.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporters.append(OTLPSpanExporter())
    spans_file = os.environ.get(SPANS_FILE)
    if spans_file:
        exporters.append(_SpansFile(spans_file))
    ratio = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    sampler = ParentBased(TraceIdRatioBased(ratio)) if exporters else ALWAYS_OFF
    limits = SpanLimits(max_links=LINKS_LIMIT)
    provider = TracerProvider(resource=resource, sampler=sampler, span_limits=limits)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SIZE))
    return provider


T = TypeVar("T")


class Tracing:
    """Starts the spans of one process; makes none where nothing would record them."""

    def __init__(self, tracer: Tracer, *, records: bool = True) -> None:
        self._tracer = tracer
        self._records = records
        self._ids = RandomIdGenerator()

    @classmethod
    def of(cls, provider: TracerProvider, name: str) -> "Tracing":
        """The tracing of a process with the provider of `make_provider`."""
        return cls(provider.get_tracer(name), records=provider.sampler is not ALWAYS_OFF)

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
            context = SpanContext(self._ids.generate_trace_id(), self._ids.generate_span_id(), is_remote=False)
        token = attach(set_span_in_context(NonRecordingSpan(context)))
        try:
            yield
        finally:
            detach(token)


def current_traceparent() -> str:
    """The W3C traceparent of the current span; empty outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_TRACEPARENT, "")


def _context_of(traceparent: str) -> Context:
    return _propagator.extract({_TRACEPARENT: traceparent})


def _span_context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context_of(traceparent)).get_span_context()
