"""Whether the configuration in force is that of the store, and how long it is valid, as metrics."""

from opentelemetry.metrics import Meter

from coordinator.registry.port import Registry
from gateway.process.metrics import observe
from gateway.time.clock import Clock, dated


def observe_validity(meter: Meter, registry: Registry, clock: Clock) -> None:
    """Gauges the seconds until the revision in force ends, negative afterwards. Nothing without a signed revision.

    Another gauge is 1 while the store holds a configuration that does not verify, and 0 otherwise.
    """

    def left() -> list[tuple[float, dict[str, str]]]:
        chain = registry.snapshot().chain
        statement = None if chain is None else chain.statement
        return [] if statement is None else [((dated(statement.end_time) - clock.now()).total_seconds(), {})]

    def unverified() -> list[tuple[float, dict[str, str]]]:
        return [(float(bool(registry.snapshot().unverified)), {})]

    observe(meter, "crossregion.configuration.validity", "s", left)
    observe(meter, "crossregion.configuration.unverified", "1", unverified)
