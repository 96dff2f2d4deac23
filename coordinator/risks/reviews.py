"""Notices about overdue reviews and plans: a warning for each in the log, and a metric."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from opentelemetry.metrics import Meter

from coordinator.risks import rules
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskState
from gateway.process.metrics import observe

_log = logging.getLogger(__name__)


class ReviewNotifier:
    """The open risks as last seen. Their due times are in the registry."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._counts: Counter[tuple[str, bool]] = Counter()

    def take(self, risks: Iterable[Risk], now: datetime) -> None:
        """Counts the open risks, and logs a warning once for each due time that has passed."""
        counts: Counter[tuple[str, bool]] = Counter()
        for risk in risks:
            is_overdue = rules.is_overdue(risk, now)
            if risk.state != rules.CLOSED:
                counts[RiskState.Name(risk.state).removeprefix("RISK_STATE_").lower(), is_overdue] += 1
            due = risk.review_due_time.seconds
            if is_overdue and self._told.get(risk.id) != due:
                self._told[risk.id] = due
                _log.warning("the risk %s has an overdue review or plan: score %d", risk.id, rules.score(risk))
        self._counts = counts

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
