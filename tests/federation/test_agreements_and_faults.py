"""A link between two provinces is cut: its fault is an outage for every region's agreements, once it is closed."""

from datetime import timedelta

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultSeverity
from tests.federation.fault_reporter import REVIEW, FaultReporter
from tests.federation.running import Federation, until

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
    assert [row[2] for row in federation.database("sichuan").rows(OUTAGES, f"sichuan/fault/{own}")] == [1]
