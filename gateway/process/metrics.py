"""OpenTelemetry metrics of one process; exported where the standard OTEL_ variables name a collector."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource

Read: TypeAlias = Callable[[], Iterable[tuple[float, dict[str, str]]]]
"""Gives the present values, each with its attributes."""

# Those of the OpenTelemetry RPC conventions. The SDK's own suit milliseconds: any call would be in the first bucket.
_DURATION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def configured_readers() -> list[MetricReader]:
    """The readers that the environment names; without one, nobody collects the metrics of this process."""
    if "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ and "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" not in os.environ:
        return []
    # A large import, needed only by processes that export.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    return [PeriodicExportingMetricReader(OTLPMetricExporter())]


def make_meter_provider(service: str, instance: str, readers: Sequence[MetricReader]) -> MeterProvider:
    """The meter provider of a process: `service` is region-node or coordinator, `instance` its region or number."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance})
    # `Telemetry.shutdown` ends it in limited time, which the end of the interpreter would not.
    return MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)


class CallMetrics(Protocol):
    """How long calls take. A method is `package.Service/Method`, a status the name of a gRPC status code."""

    def start(self) -> float:
        """The start of a call, which `served` or `called` is given at its end."""
        ...

    def served(self, method: str, status: str, started: float) -> None:
        """A call was answered."""
        ...

    def called(self, method: str, status: str, started: float) -> None:
        """A call was made."""
        ...


class RecordedCalls:
    """The durations of calls in seconds, by the names of the OpenTelemetry RPC conventions."""

    def __init__(self, meter: Meter) -> None:
        self._server = _durations(meter, "rpc.server.call.duration")
        self._client = _durations(meter, "rpc.client.call.duration")

    def start(self) -> float:
        """See the port."""
        return time.perf_counter()

    def served(self, method: str, status: str, started: float) -> None:
        """See the port."""
        self._server.record(time.perf_counter() - started, _attributes(method, status))

    def called(self, method: str, status: str, started: float) -> None:
        """See the port."""
        self._client.record(time.perf_counter() - started, _attributes(method, status))


class UnrecordedCalls:
    """Calls whose durations nobody collects: reads no clock."""

    def start(self) -> float:
        """See the port."""
        return 0.0

    def served(self, method: str, status: str, started: float) -> None:
        """See the port."""

    def called(self, method: str, status: str, started: float) -> None:
        """See the port."""


def observe(meter: Meter, name: str, unit: str, read: Read) -> None:
    """A gauge that is read when metrics are collected."""
    meter.create_observable_gauge(name, callbacks=[_callback(read)], unit=unit)


def observe_total(meter: Meter, name: str, unit: str, read: Read) -> None:
    """As `observe`, a count that only rises while the process runs."""
    meter.create_observable_counter(name, callbacks=[_callback(read)], unit=unit)


def _durations(meter: Meter, name: str) -> Histogram:
    return meter.create_histogram(name, unit="s", explicit_bucket_boundaries_advisory=_DURATION_BOUNDS)


def _callback(read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(value, attributes) for value, attributes in read()]


def _attributes(method: str, status: str) -> dict[str, str]:
    return {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "rpc.response.status_code": status,
    }
