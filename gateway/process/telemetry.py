"""The OpenTelemetry of one process: traces and metrics, as the standard OTEL_ variables configure them."""

from dataclasses import dataclass

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from gateway.process.metrics import CallMetrics, make_meter_provider
from gateway.process.span_export import make_provider, tracing_by
from gateway.process.tracing import Tracing


@dataclass(frozen=True)
class Telemetry:
    """The telemetry providers for the parts of a process."""

    tracing: Tracing
    calls: CallMetrics
    meter: Meter
    _spans: TracerProvider
    _meters: MeterProvider

    @classmethod
    def of(cls, service: str, instance: str) -> "Telemetry":
        """The telemetry of a process: `service` is region-node or coordinator, `instance` its region or number."""
        spans, meters = make_provider(service, instance), make_meter_provider(service, instance)
        meter = meters.get_meter(service)
        return cls(tracing_by(spans, service), CallMetrics(meter), meter, spans, meters)

    def shutdown(self) -> None:
        """Exports the remaining data."""
        self._spans.shutdown()
        self._meters.shutdown()
