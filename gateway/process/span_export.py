"""Where the spans of a process go. Exporters are configured by the standard OTEL_ variables."""

import os
from io import TextIOWrapper
from pathlib import Path

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from gateway.process.files import go_on_private
from gateway.process.tracing import Tracing

QUEUE_SIZE = 8192  # spans that wait for the exporter before new ones are dropped
LINKS_LIMIT = 256  # links of one span: a full batch links to the trace of each of its envelopes
SPANS_FILE = "CROSSREGION_SPANS_FILE"  # a file for spans as JSON lines, for the demo and tests


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
    # `Telemetry.shutdown` ends it in limited time, which the end of the interpreter would not.
    provider = TracerProvider(resource=resource, sampler=sampler, span_limits=limits, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SIZE))
    return provider


def tracing_by(provider: TracerProvider, name: str) -> Tracing:
    """The tracing of a process with the provider of `make_provider`."""
    return Tracing(provider.get_tracer(name), records=provider.sampler is not ALWAYS_OFF)
