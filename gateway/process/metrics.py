"""OpenTelemetry metrics of one process; exported where the standard OTEL_ variables name a collector."""

import os
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource


def make_meter_provider(service: str, instance: str, readers: Iterable[MetricReader] = ()) -> MeterProvider:
    """The meter provider of a process; `readers` supplement the readers of the environment."""
    configured: list[MetricReader] = list(readers)
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ or "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in os.environ:
        # A large import, needed only by processes that export.
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

        configured.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    resource = Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance})
    return MeterProvider(metric_readers=configured, resource=resource)


class CallMetrics:
    """How long calls take, by the names of the OpenTelemetry RPC conventions; seconds."""

    def __init__(self, meter: Meter) -> None:
        self._server = meter.create_histogram("rpc.server.call.duration", unit="s")
        self._client = meter.create_histogram("rpc.client.call.duration", unit="s")

    def served(self, method: str, status: str, seconds: float) -> None:
        """A call was answered."""
        self._server.record(seconds, _attributes(method, status))

    def called(self, method: str, status: str, seconds: float) -> None:
        """A call was made."""
        self._client.record(seconds, _attributes(method, status))


def observe(meter: Meter, name: str, unit: str, read: Callable[[], Iterable[tuple[float, dict[str, str]]]]) -> None:
    """A gauge that is read when metrics are collected."""

    def callback(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, attributes) for value, attributes in read()]

    meter.create_observable_gauge(name, callbacks=[callback], unit=unit)


def _attributes(method: str, status: str) -> dict[str, str]:
    return {
        "rpc.system.name": "grpc",
        "rpc.method": method.removeprefix("/"),
        "rpc.response.status_code": status,
    }
