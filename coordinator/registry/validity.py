"""Whether the configuration in force is that of the store, and how long it is valid, as metrics."""

from opentelemetry.metrics import Meter

from coordinator.registry.port import Registry
from gateway.federation.validity import observe_validity
from gateway.process.metrics import observe
from gateway.time.clock import Clock


def observe_configuration(meter: Meter, registry: Registry, clock: Clock) -> None:
    """Gauges the validity, and 1 while the store holds a configuration that does not verify, otherwise 0."""

    def unverified() -> list[tuple[float, dict[str, str]]]:
        return [(float(registry.snapshot().unverified is not None), {})]

    observe_validity(meter, lambda: registry.snapshot().chain, clock)
    observe(meter, "crossregion.configuration.unverified", "1", unverified)
