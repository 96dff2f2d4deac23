"""A link between two provinces is cut: its fault is an outage for every region's agreements, once it is closed."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.time.clock import from_timestamp
from tests.federation.agreements import Agreements, month_of
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.fault_reporter import REVIEW, FaultReporter
from tests.federation.running import Federation, running, until

CRITICAL = FaultSeverity.FAULT_SEVERITY_CRITICAL
CABLE, TERMINAL = FaultCause.FAULT_CAUSE_CABLE, FaultCause.FAULT_CAUSE_TERMINAL
OUTAGES = "SELECT service, cause, withdrawn FROM service_outages WHERE source LIKE ? ORDER BY service"


async def closed(
    federation: Federation, link: str, severity: FaultSeverity.ValueType, cause: FaultCause.ValueType
) -> str:
    """A fault of a link of Sichuan's that was repaired and closed with a review; its id."""
    engineers = FaultReporter(federation, "sichuan", "staff/wang")
    filed = await engineers.report(link=link, severity=severity)
    await engineers.is_taken(filed.id)
    await engineers.takes_up(filed.id)
    await federation.advance(timedelta(hours=2))
    await engineers.resolves(filed.id, cause)
    assert federation.database("sichuan").rows(OUTAGES, f"%{filed.id}") == [], "not before the cause is known for good"
    await engineers.closes(filed.id, REVIEW)
    return filed.id


async def test_a_closed_fault_that_cut_a_service_off_is_an_outage_everywhere_and_others_are_none(
    federation: Federation,
) -> None:
    cut = await closed(federation, "chengdu-guangzhou-1", CRITICAL, CABLE)
    lines = [("lines-chengdu-guangzhou", OutageCause.OUTAGE_CAUSE_OPERATOR, 0)]
    assert federation.database("sichuan").rows(OUTAGES, f"sichuan/fault/{cut}") == lines
    for region in ("guangdong", "henan"):

        async def knows(region: str = region) -> bool:
            return federation.database(region).rows(OUTAGES, f"sichuan/fault/{cut}") == lines

        await until(knows, f"{region} knows")
    for link, severity in (
        ("chengdu-zhengzhou-1", CRITICAL),  # the lines have another way
        ("chengdu-guangzhou-1", FaultSeverity.FAULT_SEVERITY_MAJOR),
    ):
        harmless = await closed(federation, link, severity, CABLE)
        assert federation.database("sichuan").rows(OUTAGES, f"sichuan/fault/{harmless}") == []
    own = await closed(federation, "chengdu-guangzhou-1", CRITICAL, TERMINAL)
    assert federation.database("sichuan").rows(OUTAGES, f"sichuan/fault/{own}") == []


@pytest.mark.parametrize(("severity", "cause"), [(CRITICAL, TERMINAL), (FaultSeverity.FAULT_SEVERITY_MAJOR, CABLE)])
async def test_what_turns_out_to_have_been_no_cut_is_taken_back_everywhere(
    federation: Federation, severity: FaultSeverity.ValueType, cause: FaultCause.ValueType
) -> None:
    engineers = FaultReporter(federation, "sichuan", "staff/wang")
    cut = await closed(federation, "chengdu-guangzhou-1", CRITICAL, CABLE)
    await engineers.work(cut, WorkOnFaultRequest(reopen=WorkOnFaultRequest.Reopen(reason="looked at again")))
    await engineers.work(cut, WorkOnFaultRequest(assess=WorkOnFaultRequest.Assess(severity=severity)))
    await engineers.resolves(cut, cause)
    await engineers.closes(cut, REVIEW)
    for region in ("sichuan", "guangdong", "henan"):

        async def knows(region: str = region) -> bool:
            database, source = federation.database(region), f"sichuan/fault/{cut}"
            parts = database.rows("SELECT withdrawn FROM part_outages WHERE source = ?", source)
            return [row[2] for row in database.rows(OUTAGES, source)] == [1] and parts == [(1,)]

        await until(knows, f"{region} knows")


async def test_two_faults_that_cut_a_service_only_together_are_an_outage_while_both_are_there(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        home, hour = Agreements(federation, "guangdong"), timedelta(hours=1)
        agreement = await home.make(await Counter(federation, "guangdong").new_customer(balance=0))
        month = month_of(federation)
        sichuan, henan = (FaultReporter(federation, region, "staff/wang") for region in ("sichuan", "henan"))
        direct = await sichuan.report(link="chengdu-zhengzhou-1", severity=CRITICAL)
        await federation.advance(hour)
        detour = await henan.report(link="zhengzhou-xian-1", severity=CRITICAL)
        for engineers, fault in ((sichuan, direct), (henan, detour)):
            await engineers.is_taken(fault.id)
            await engineers.takes_up(fault.id)
            await federation.advance(hour)
            await engineers.resolves(fault.id, CABLE)
            await engineers.closes(fault.id, REVIEW)

        async def knows() -> bool:
            return federation.database("guangdong").rows("SELECT COUNT(*) FROM part_outages") == [(2,)]

        await until(knows, "guangdong knows of both")
        assert federation.database("guangdong").rows("SELECT COUNT(*) FROM service_outages") == [(0,)]
        await federation.advance(timedelta(days=31))
        stated = await home.has_stated(agreement, month)
        (line,) = (each for each in stated.lines if each.kind == Kind.STATEMENT_LINE_KIND_OUTAGE)
        assert line.source == f"henan/fault/{detour.id} + sichuan/fault/{direct.id}"
        first, second = (await sichuan.get(direct.id)).outages[0], (await henan.get(detour.id)).outages[0]
        both = from_timestamp(first.end_time) - from_timestamp(second.start_time)
        assert timedelta(microseconds=stated.downtime_us) == both > hour * 0.9
        assert stated.credit.minor_units > 0
