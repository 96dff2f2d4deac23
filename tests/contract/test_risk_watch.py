"""The watch of risks on a registry: a lost region becomes a risk once, ends, returns, and misses its review."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coordinator.problems.current import CurrentNetwork
from coordinator.registry.port import Registry
from coordinator.risks.reviews import ReviewNotifier
from coordinator.risks.signals import Observation
from coordinator.risks.watch import RiskWatch, WatchPorts
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskState
from gateway.api.federation.v1.federation_pb2 import DisputedRevision, NodeReport
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.time.agreed_clock import AgreedClock
from tests.contract.registries import EmbeddedRegistries, heartbeat, run, state
from tests.contract.relay_pair import FixedClock
from tests.contract.small_federation import CONFIGURATION

LOST = "region-lost/sichuan"
ADMIN = "admin/root"


async def no_reports(scales: RiskRules, risks: Mapping[str, Risk], now: datetime) -> list[Observation]:
    return []


class Watched:
    """A watch on a registry with the shipped federation, in which Sichuan is silent or sends heartbeats."""

    def __init__(self, registry: Registry, name: str = "coordinator/0") -> None:
        self.registry, self.clock = registry, FixedClock()
        self.heads: dict[str, tuple[datetime, bool]] = {}
        self.judged: dict[str, tuple[datetime, bool]] = {}
        self.certificate: tuple[datetime, datetime] | None = self.lasting(timedelta(days=300))
        current = CurrentNetwork(registry)
        self.watch = RiskWatch(
            WatchPorts(
                name,
                registry,
                current,
                AgreedClock(self.clock),
                lambda: self.heads,
                lambda: self.judged,
                lambda: self.certificate,
                no_reports,
                ReviewNotifier(),
            )
        )

    def lasting(self, left: timedelta) -> tuple[datetime, datetime]:
        """The life of a certificate of months that ends then."""
        return self.clock.now() - timedelta(days=90), self.clock.now() + left

    async def risk(self, name: str = LOST) -> Risk | None:
        """The risk after a look."""
        await self.watch.look()
        return next((each for each in await self.registry.risks.all() if each.id == name), None)


async def sichuan_is_silent(registry: Registry) -> None:
    await registry.apply(CONFIGURATION, expected_revision=0, actor=ADMIN)
    await registry.beat("sichuan", heartbeat(certificate=b""))
    await registry.leave("sichuan", heartbeat(certificate=b"").endpoint)
    assert state(registry, "sichuan") == "LOST"


def test_a_lost_region_is_one_risk_that_ends_and_returns(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            watched = Watched(registry)
            assert await watched.risk() is None, "nothing is configured"
            await sichuan_is_silent(registry)
            since = registry.snapshot().facts("sichuan").presence_since
            assert since is not None
            watched.clock.instant = since + timedelta(minutes=11)
            for _ in range(3):
                risk = await watched.risk()
                assert risk is not None
                assert (risk.signals, risk.version, risk.likelihood) == (1, 1, 5)
            await registry.beat("sichuan", heartbeat(certificate=b""))
            risk = await watched.risk()
            assert risk is not None
            assert (risk.signal_lasts, risk.likelihood, risk.state) == (False, 3, RiskState.RISK_STATE_OPEN)
            await registry.leave("sichuan", heartbeat(certificate=b"").endpoint)
            again = registry.snapshot().facts("sichuan").presence_since
            assert again is not None
            watched.clock.instant = again + timedelta(minutes=11)
            risk = await watched.risk()
            assert risk is not None
            assert (risk.signal_lasts, risk.signals) == (True, 2)

    run(scenario())


def test_a_missed_review_is_a_warning_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            await sichuan_is_silent(registry)
            watched = Watched(registry)
            since = registry.snapshot().facts("sichuan").presence_since
            assert since is not None
            for later in (timedelta(minutes=11), timedelta(days=8), timedelta(days=9)):
                watched.clock.instant = since + later
                await watched.watch.look()

    with caplog.at_level(logging.WARNING, "coordinator.risks.reviews"):
        run(scenario())
    assert [each.getMessage() for each in caplog.records if LOST in each.getMessage()] == [
        f"the risk {LOST} has an overdue review: score 20"
    ]


def test_each_coordinator_raises_the_risk_of_its_own_certificate_and_ends_no_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            await sichuan_is_silent(registry)
            await registry.enter("coordinator/0", "127.0.0.1:2")
            first, second = Watched(registry), Watched(registry, "coordinator/1")
            second.certificate = second.lasting(timedelta(days=29))
            for watched in (second, first, second):
                risk = await watched.risk("certificate/coordinator/1")
                assert risk is not None
                assert (risk.signal_lasts, risk.signals, risk.owner_region) == (True, 1, "")
            assert await first.risk("certificate/coordinator/0") is None
            second.certificate = second.lasting(timedelta(days=300))
            renewed = await second.risk("certificate/coordinator/1")
            assert renewed is not None
            assert not renewed.signal_lasts

    run(scenario())


def test_a_coordinator_that_is_not_the_first_one_leaves_all_but_its_own_audit_heads(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            await sichuan_is_silent(registry)
            await registry.enter("coordinator/0", "127.0.0.1:2")
            second = Watched(registry, "coordinator/1")
            since = registry.snapshot().facts("sichuan").presence_since
            assert since is not None
            second.clock.instant = since + timedelta(minutes=11)
            second.heads["sichuan"] = second.clock.instant, False
            assert await second.risk() is None
            assert await second.risk("audit/sichuan") is not None

    run(scenario())


def test_of_two_coordinators_that_disagree_about_a_chain_the_later_verification_decides(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            await sichuan_is_silent(registry)
            first, second = Watched(registry), Watched(registry, "coordinator/1")

            async def looked() -> tuple[bool, int]:
                """Whether the signal lasts after some looks of both, and the number of signals that began."""
                risk = None
                for watched in (first, second) * 2:
                    first.clock.instant += timedelta(seconds=10)
                    second.clock.instant = first.clock.instant
                    watched.heads["sichuan"] = watched.clock.now(), True
                    risk = await watched.risk("audit/sichuan")
                assert risk is not None
                return risk.signal_lasts, risk.signals

            second.judged["sichuan"] = first.clock.now(), True
            first.judged["sichuan"] = first.clock.now(), False
            assert await looked() == (True, 1), "neither a head that continues nor an earlier verification ends it"
            second.judged["sichuan"] = first.clock.now(), True
            assert await looked() == (False, 1), "an earlier verification does not begin it again"
            first.judged["sichuan"] = first.clock.now(), False
            assert await looked() == (True, 2)

    run(scenario())


def test_a_dispute_about_a_configuration_neither_hides_a_broken_chain_nor_ends_its_signal(tmp_path: Path) -> None:
    disputes = NodeReport(disputed_revisions=[DisputedRevision(region="henan", revision=7)])

    async def scenario() -> None:
        async with EmbeddedRegistries(tmp_path)() as registry:
            await sichuan_is_silent(registry)
            first, second = Watched(registry), Watched(registry, "coordinator/1")

            async def looked(report: NodeReport) -> str:
                """The signal that lasts after some looks of both, while the region reports this."""
                await registry.beat("sichuan", replace(heartbeat(certificate=b""), report=report))
                risk = None
                for watched in (first, second) * 2:
                    first.clock.instant += timedelta(seconds=10)
                    second.clock.instant = first.clock.instant
                    watched.heads["sichuan"] = watched.clock.now(), True
                    risk = await watched.risk("audit/sichuan")
                assert risk is not None
                return risk.signal_detail if risk.signal_lasts else ""

            before = first.clock.now()
            assert await looked(disputes) == "7 henan - -"
            first.judged["sichuan"], second.judged["sichuan"] = (before, False), (first.clock.now(), True)
            assert await looked(disputes) == "sichuan", "though the dispute began later"
            assert await looked(NodeReport()) == "sichuan", "though the dispute has ended"
            assert await looked(disputes) == "sichuan", "though there is another one"
            second.judged["sichuan"] = second.clock.now(), True
            assert await looked(disputes) == "7 henan - -"
            first.judged["sichuan"] = first.clock.now(), False
            assert await looked(NodeReport()) == "sichuan"
            second.judged["sichuan"] = second.clock.now(), True
            assert await looked(NodeReport()) == ""
            assert await looked(disputes) == "7 henan - -", "no verification has to come first"

    run(scenario())
