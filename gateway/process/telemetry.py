"""The OpenTelemetry of one process: traces and metrics, as the standard OTEL_ variables configure them."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.trace import TracerProvider

from gateway.process.metrics import (
    CallMetrics,
    RecordedCalls,
    UnrecordedCalls,
    configured_readers,
    make_meter_provider,
)
from gateway.process.span_export import make_provider, tracing_by
from gateway.process.tracing import Tracing

EXPORT_SECONDS = 3.0  # at the end of a process, for its last spans and metrics: a collector may hang


@dataclass(frozen=True)
class Telemetry:
    """The telemetry providers for the parts of a process."""

    tracing: Tracing
    calls: CallMetrics
    meter: Meter
    _spans: TracerProvider
    _meters: MeterProvider | None
    """None where nobody collects: what is counted then goes nowhere, at no cost."""

    @classmethod
    def of(cls, service: str, instance: str, readers: Iterable[MetricReader] = ()) -> "Telemetry":
        """The telemetry of a process: `service` is region-node or coordinator, `instance` its region or number.

        `readers` supplement the readers of the environment.
        """
        every = [*readers, *configured_readers()]
        spans = make_provider(service, instance)
        meters = make_meter_provider(service, instance, every) if every else None
        meter = NoOpMeter(service) if meters is None else meters.get_meter(service)
        calls = UnrecordedCalls() if meters is None else RecordedCalls(meter)
        return cls(tracing_by(spans, service), calls, meter, spans, meters)

    def shutdown(self) -> None:
        """Exports the remaining data, and gives up those that are not exported after `EXPORT_SECONDS`."""
        ends = [self._spans.shutdown, *([] if self._meters is None else [self._meters.shutdown])]
        exporting = [threading.Thread(target=each, daemon=True) for each in ends]
        for each in exporting:
            each.start()
        last = time.monotonic() + EXPORT_SECONDS
        for each in exporting:
            each.join(max(0.0, last - time.monotonic()))
