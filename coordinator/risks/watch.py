"""Turns signals into risks: a loop of each coordinator, of which the first live one does most of the work.

Two coordinators that look at the same time do no harm: each signal raises its risk once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordinator.problems.current import CurrentNetwork
from coordinator.registry.port import Registry
from coordinator.risks import rules, signals
from coordinator.risks.reviews import ReviewNotifier
from coordinator.risks.signals import Observation
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.errors import Refused
from gateway.rpc.incidents import contained
from gateway.time.agreed_clock import AgreedClock

LOOK = 30.0  # seconds between two looks
_ASK_EVERY = timedelta(hours=1)  # regions count months of complaints for an answer
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchPorts:
    """The ports of the watch."""

    name: str
    """This coordinator, for example `coordinator/0`."""
    registry: Registry
    current: CurrentNetwork
    clock: AgreedClock
    audit_heads: Callable[[], Mapping[str, tuple[datetime, bool]]]
    """The time of each region's last audit head at this coordinator, and whether it continued the stored one."""
    judged: Callable[[], Mapping[str, tuple[datetime, bool]]]
    """The time of this coordinator's last verification of each region's chain, and whether the chain was whole."""
    certificate: Callable[[], tuple[datetime, datetime] | None]
    """Begin and end of this coordinator's certificate; None where no file was ever readable."""
    reports: Callable[[RiskRules, Mapping[str, Risk], datetime], Awaitable[Sequence[Observation]]]
    """The signals in reports of regions; the present risks are by id."""
    reviews: ReviewNotifier


class RiskWatch:
    """See the module."""

    def __init__(self, ports: WatchPorts) -> None:
        self._ports = ports
        self._asked: datetime | None = None

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._ports.clock.settled()
            try:
                with contained("the watch of risks"):
                    await self.look()
            except Refused as refused:
                _log.info("risks are looked at again soon: %s", refused)
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Raises, reopens and lowers risks by the signals that last now. Raises Refused without a registry."""
        ports, now = self._ports, self._ports.clock.now()
        snapshot = ports.registry.snapshot()
        if snapshot.configuration is None or not snapshot.configuration.HasField("risks"):
            return
        if not ports.registry.is_current():
            return
        scales = snapshot.configuration.risks
        risks = {each.id: each for each in await ports.registry.risks.all()}
        for observation in await self._observations(scales, risks, now):
            for name, decide in observation.wanted(risks, scales, now).items():
                stored = await ports.registry.risks.change(name, decide)
                if stored is not None:
                    risks[name] = stored
        for name in rules.unruled(risks.values(), scales):
            await ports.registry.risks.change(name, lambda before: rules.calmed(before, scales, now))
        ports.reviews.take(risks.values(), now)

    async def _observations(self, scales: RiskRules, risks: Mapping[str, Risk], now: datetime) -> list[Observation]:
        """The observations of this coordinator. Each knows its certificate and hears audit heads of its own regions.

        The first one sees the rest.
        """
        ports, snapshot = self._ports, self._ports.registry.snapshot()
        heads = signals.of_audit_chains(ports.audit_heads(), ports.judged(), risks, snapshot, now)
        found, rule = [heads], rules.rule_of(scales, signals.CERTIFICATE)
        if rule is not None:
            found.append(signals.of_own_certificate(ports.name, ports.certificate(), rule, now))
        if min(snapshot.replicas, default=ports.name) != ports.name:
            return found
        book = await ports.registry.problems.book()
        found += signals.of_regions(snapshot, scales, now)
        found.append(signals.of_accidents(book.problems.values(), ports.current.federation.network, risks))
        rule = rules.rule_of(scales, signals.PLANNED_OUTAGE)
        if rule is not None:
            planned = await ports.registry.planned_outages()
            found.append(signals.of_planned_outages(planned, book.events.values(), rule, now))
        if self._asked is None or now - self._asked >= _ASK_EVERY:
            self._asked = now  # also where that fails: regions are not asked again at each look
            found += await ports.reports(scales, risks, now)
        return found
