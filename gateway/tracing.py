"""OpenTelemetry: one trace from the operator's call to the home region's commit and back.

Exporters are configured by the standard OTEL_ variables. Without one, spans are not recorded, but their ids still
travel, so that the trace is whole wherever somebody records it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

QUEUE_SIZE = 8192  # spans that wait for the exporter before new ones are dropped
SPANS_FILE = "CROSSREGION_SPANS_FILE"  # a file for spans as JSON lines, for the demo and tests
_TRACEPARENT = "traceparent"
_propagator = TraceContextTextMapPropagator()


def make_provider(service: str, instance: str) -> TracerProvider:
    """The tracer provider of a process: `service` is region-node or coordinator, `instance` its region or number."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance})
    exporters: list[OTLPSpanExporter | ConsoleSpanExporter] = []
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ or "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in os.environ:
        exporters.append(OTLPSpanExporter())
    spans_file = os.environ.get(SPANS_FILE)
    if spans_file:
        stream = open(spans_file, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the process
        exporters.append(ConsoleSpanExporter(out=stream, formatter=lambda span: span.to_json(indent=None) + "\n"))
    ratio = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    root = TraceIdRatioBased(ratio) if exporters else ALWAYS_OFF
    provider = TracerProvider(resource=resource, sampler=ParentBased(root))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SIZE))
    return provider


class Tracing:
    """Starts the spans of one process."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str = "",
        links: Sequence[str] = (),
        attributes: dict[str, str | int] | None = None,
    ) -> Iterator[trace.Span]:
        """A current span. `parent` and `links` are traceparents; without a parent the current span is it."""
        with self._tracer.start_as_current_span(
            name,
            context=_context_of(parent) if parent else None,
            kind=kind,
            links=[Link(trace.get_current_span(_context_of(link)).get_span_context()) for link in links if link],
            attributes=attributes,
            record_exception=False,
        ) as span:
            yield span


def current_traceparent() -> str:
    """The W3C traceparent of the current span; empty outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_TRACEPARENT, "")


def _context_of(traceparent: str) -> Context:
    return _propagator.extract({_TRACEPARENT: traceparent})
