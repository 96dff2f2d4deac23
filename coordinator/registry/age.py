"""How old the registry's last answer is, as a metric."""

from opentelemetry.metrics import Meter

from coordinator.registry.port import Registry
from gateway.process.metrics import observe
from gateway.time.clock import Clock


def observe_age(meter: Meter, registry: Registry, clock: Clock) -> None:
    """Gauges the seconds since the registry answered: everything that a coordinator knows may be that old."""
    observe(
        meter,
        "crossregion.registry.age",
        "s",
        lambda: [(max(0.0, (clock.now() - registry.answered()).total_seconds()), {})],
    )
