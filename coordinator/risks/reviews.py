"""Notices about overdue reviews and plans: a warning for each in the log, and a metric."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from opentelemetry.metrics import Meter

from coordinator.risks import rules
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskState
from gateway.process.metrics import observe
from gateway.values.names import snake_case

_log = logging.getLogger(__name__)


class ReviewNotifier:
    """The open risks as last seen. Their due times are in the registry."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], datetime] = {}
        self._counts: Counter[tuple[str, bool]] = Counter()

    def take(self, risks: Iterable[Risk], now: datetime) -> None:
        """Counts the open risks, and logs a warning once for each due time that has passed."""
        counts: Counter[tuple[str, bool]] = Counter()
        missed: dict[tuple[str, str], datetime] = {}
        for risk in risks:
            overdue = rules.overdue(risk, now)
            if risk.state != rules.CLOSED:
                counts[snake_case(RiskState.DESCRIPTOR, risk.state), bool(overdue)] += 1
            for name, due in overdue.items():
                missed[risk.id, name] = due
                if self._told.get((risk.id, name)) != due:
                    _log.warning("the risk %s has an overdue %s: score %d", risk.id, name, rules.score(risk))
        self._told, self._counts = missed, counts

    def observe(self, meter: Meter) -> None:
        """Gauges how many risks are not closed, by state, and how many of them are overdue."""
        observe(
            meter,
            "crossregion.risk.open",
            "{risk}",
            lambda: [
                (float(count), {"state": state, "overdue": str(overdue).lower()})
                for (state, overdue), count in self._counts.items()
            ],
        )
