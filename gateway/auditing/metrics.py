"""The metric of audit chains that somebody has found broken."""

from collections.abc import Callable, Mapping

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe


def observe_broken(meter: Meter, chains: Callable[[], Mapping[str, bool]]) -> None:
    """Gauges 1 for a chain that this process knows as broken, and 0 for any other one that it looks at.

    `chains` gives them by name: `region/<id>`, or `chain/<name>` for one of the coordinators.
    """
    observe(
        meter,
        "crossregion.audit.broken",
        "1",
        lambda: [(float(is_broken), {"chain": chain}) for chain, is_broken in chains().items()],
    )
