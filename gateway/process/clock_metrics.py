"""The metrics of the clock: how far it is off, and for how long all that depends on time has waited."""

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe
from gateway.time.agreed_clock import AgreedClock


def observe_clock(meter: Meter, clock: AgreedClock) -> None:
    """Registers both: positive where this clock is ahead, and 0 seconds while it is settled."""
    observe(meter, "crossregion.clock.error", "s", lambda: [(clock.difference().total_seconds(), {})])
    observe(meter, "crossregion.clock.unsettled", "s", lambda: [(clock.unsettled_seconds(), {})])
