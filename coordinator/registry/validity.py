"""How long the signed revision in force is valid, as a metric."""

from opentelemetry.metrics import Meter

from coordinator.registry.port import Registry
from gateway.process.metrics import observe
from gateway.time.clock import Clock, dated


def observe_validity(meter: Meter, registry: Registry, clock: Clock) -> None:
    """Gauges the seconds until the revision in force ends, negative afterwards. Nothing without a signed revision."""

    def read() -> list[tuple[float, dict[str, str]]]:
        chain = registry.snapshot().chain
        statement = None if chain is None else chain.statement
        return [] if statement is None else [((dated(statement.end_time) - clock.now()).total_seconds(), {})]

    observe(meter, "crossregion.configuration.validity", "s", read)
