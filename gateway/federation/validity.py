"""How long the signed configuration in force is valid, as a metric."""

from collections.abc import Callable

from opentelemetry.metrics import Meter

from gateway.federation.revisions import Chain
from gateway.process.metrics import observe
from gateway.time.clock import Clock, dated


def observe_validity(meter: Meter, chain: Callable[[], Chain | None], clock: Clock) -> None:
    """Gauges the seconds until the revision in force ends, negative afterwards. Nothing without a signed revision."""

    def left() -> list[tuple[float, dict[str, str]]]:
        signed = chain()
        statement = None if signed is None else signed.statement
        return [] if statement is None else [((dated(statement.end_time) - clock.now()).total_seconds(), {})]

    observe(meter, "crossregion.configuration.validity", "s", left)
