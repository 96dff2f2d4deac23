"""The permitted messages between regions about faults, and refused ones despite their signature."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultUpdate
from gateway.api.region.v1.fault_pb2 import Fault, FaultPlace, FaultState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import from_timestamp, to_timestamp
from tests.federation.counter import Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.forger import Forger, refused
from tests.federation.running import Federation

REPORTED = EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED
COMMAND = EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND
UPDATE = EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE


@pytest.fixture(name="henan")
def a_region_that_is_not_concerned(federation: Federation) -> Forger:
    return Forger(federation, "henan")


async def taken_up(federation: Federation, number: str = "") -> Fault:
    """A fault reported in Guangdong that is in Sichuan, and of one of its numbers."""
    desk = FaultReporter(federation, "guangdong")
    filed = await desk.report(number or federation.next_number("sichuan"), site="chengdu")
    return await desk.is_taken(filed.id)


def fresh(federation: Federation, number: str) -> Fault:
    """A report as Henan would send it."""
    return Fault(
        id=f"henan/F{federation.next_id()}",
        state=FaultState.FAULT_STATE_ACKNOWLEDGED,
        report=FaultReporter(federation, "henan").request(number, FaultPlace(site="chengdu", region="sichuan")),
        origin_region="henan",
        home_region="sichuan",
        owner_region="sichuan",
        operator="counter",
        create_time=to_timestamp(federation.clock.now()),
    )


async def test_only_the_region_in_which_a_fault_is_tells_how_it_stands(federation: Federation, henan: Forger) -> None:
    known = await taken_up(federation)
    lie = Fault()
    lie.CopyFrom(known)
    lie.version, lie.state = known.version + 5, FaultState.FAULT_STATE_CLOSED
    for owner in ("sichuan", "henan"):
        lie.owner_region = owner
        envelope = henan.seal("guangdong", UPDATE, FaultUpdate(fault=lie), known.id)
        assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await FaultReporter(federation, "guangdong").get(known.id) == known


async def test_only_the_region_in_which_it_was_reported_says_what_the_customer_says(
    federation: Federation, henan: Forger
) -> None:
    known = await taken_up(federation)
    command = FaultCommand(fault_id=known.id, cancel=FaultCommand.Cancel(reason="forged"))
    envelope = henan.seal("sichuan", COMMAND, command, known.id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    guangdong = Forger(federation, "guangdong")
    other = guangdong.seal("sichuan", COMMAND, command, "guangdong/other")
    assert refused(await guangdong.deliver(other, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert (await FaultReporter(federation, "sichuan", "staff/wang").get(known.id)).state == known.state


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda each: setattr(each, "origin_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "id", "guangdong/F1-1"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "version", 3), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "state", FaultState.FAULT_STATE_RESOLVED), "ENVELOPE_INVALID"),
        (lambda each: each.repair.parts.add(number=1), "ENVELOPE_INVALID"),
        (lambda each: each.ClearField("create_time"), "ENVELOPE_INVALID"),
        (lambda each: setattr(each.report.place, "site", "zhengzhou"), "FAULT_NOT_RESPONSIBLE"),
        (lambda each: setattr(each.report.place, "site", "atlantis"), "SITE_UNKNOWN"),
    ],
)
async def test_a_report_brings_no_decisions_along_and_goes_where_the_registry_says(
    federation: Federation, henan: Forger, spoil: Callable[[Fault], None], reason: str
) -> None:
    report = fresh(federation, federation.next_number("sichuan"))
    subject = report.id
    spoil(report)
    envelope = henan.seal("sichuan", REPORTED, FaultFiling(fault=report), subject)
    assert refused(await henan.deliver(envelope, "sichuan")) == reason


async def test_a_good_report_is_taken_up_and_not_twice(federation: Federation, henan: Forger) -> None:
    report = fresh(federation, federation.next_number("sichuan"))
    report.report.place.rural = True
    report.report.services.extend(["broadband-chengdu", "of-tomorrow"])
    first = henan.seal("sichuan", REPORTED, FaultFiling(fault=report), report.id)
    assert (await henan.deliver(first, "sichuan")).HasField("receipt")
    taken = await FaultReporter(federation, "sichuan", "staff/wang").get(report.id)
    assert list(taken.report.services) == ["broadband-chengdu"]
    assert not taken.report.place.rural, "of a site the registry says so"
    again = henan.seal("sichuan", REPORTED, FaultFiling(fault=report), report.id)
    assert refused(await henan.deliver(again, "sichuan")) == "ENVELOPE_INVALID"


async def test_no_region_has_rent_given_back_for_a_fault_that_is_not_its_own_or_never_was(
    federation: Federation, henan: Forger, sichuan: Counter
) -> None:
    """A fault of a place in Guangdong, or of impossible times, reported by Henan to the home region."""
    number, now = await sichuan.new_customer(balance=0), federation.clock.now()
    known = await taken_up(federation, number)
    forged = Fault()
    forged.CopyFrom(fresh(federation, number))
    forged.version, forged.owner_region, forged.state = 4, "henan", FaultState.FAULT_STATE_RESOLVED
    forged.create_time.CopyFrom(to_timestamp(now - timedelta(days=20)))
    forged.outages.add(
        start_time=forged.create_time,
        due_time=to_timestamp(now - timedelta(days=18)),
        breach_time=to_timestamp(now - timedelta(days=18)),
        end_time=to_timestamp(now),
    )
    spoiled: list[tuple[Fault, str]] = []
    for site, region, reason in (
        ("guangzhou", "guangdong", "ENVELOPE_KIND_NOT_ALLOWED"),
        ("zhengzhou", "henan", "ENVELOPE_INVALID"),
    ):
        each = Fault()
        each.CopyFrom(forged)
        each.id, each.origin_region = f"guangdong/F{federation.next_id()}", "guangdong"
        each.report.place.site, each.report.place.region = site, region
        each.outages[0].start_time.CopyFrom(to_timestamp(now - timedelta(days=40)))
        spoiled.append((each, reason))
    theirs = Fault()
    theirs.CopyFrom(forged)
    theirs.report.number = federation.next_number("guangdong")
    theirs.report.place.site, theirs.report.place.region = "zhengzhou", "henan"
    spoiled.append((theirs, "ENVELOPE_KIND_NOT_ALLOWED"))
    for each, reason in spoiled:
        envelope = henan.seal("sichuan", UPDATE, FaultUpdate(fault=each), each.id)
        assert refused(await henan.deliver(envelope, "sichuan")) == reason
    assert await sichuan.balance(number) == 0
    assert from_timestamp(known.create_time) > now - timedelta(days=1)
