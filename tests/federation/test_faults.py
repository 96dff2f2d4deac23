"""Faults reported in one region, repaired by another, of a number of a third: followed by all, late once, paid once."""

import asyncio
from datetime import timedelta

import pytest

from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.api.region.v1.fault_service_pb2 import WatchFaultsRequest, WorkOnFaultRequest
from gateway.time.clock import from_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.fault_reporter import CLOSED, IN_PROGRESS, RESOLVED, REVIEW, FaultReporter
from tests.federation.probe import Probe, raised
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

# By the region in which the fault is: a site there.
SITES = {"guangdong": "guangzhou", "sichuan": "chengdu", "henan": "zhengzhou"}
MINOR = FaultSeverity.FAULT_SEVERITY_MINOR
RURAL_SITE = "xichang"  # of Sichuan
URBAN_HOURS, RURAL_HOURS = 48, 72
PLACES = pytest.mark.parametrize("place", ["guangdong", "sichuan", "henan"])


@pytest.fixture(name="desk")
def where_it_is_reported(federation: Federation) -> FaultReporter:
    return FaultReporter(federation, "guangdong")


def staff(federation: Federation, region: str) -> FaultReporter:
    return FaultReporter(federation, region, "staff/wang")


def texts(federation: Federation, number: str, sent_by: str) -> list[str]:
    return [text.zh_cn for text in federation.texts(number, sent_by=sent_by)]


def waived(federation: Federation, fault_id: str) -> list[int]:
    """The waived rent of a fault at the home region, in minor units, outage by outage."""
    sql = "SELECT amount FROM ledger_entries WHERE posting_id LIKE ? AND amount > 0 ORDER BY posting_id"
    return [int(str(amount)) for (amount,) in federation.database("sichuan").rows(sql, f"{fault_id}#waived_")]


async def is_owed(federation: Federation, debtor: str, fault_id: str, amount: int) -> bool:
    """Whether both books have the rent of an outage as a debt to the home region."""
    entry = "SELECT amount FROM ledger_entries WHERE posting_id = ? AND account = ?"
    accounts = ((debtor, "payable/sichuan", amount), ("sichuan", f"receivable/{debtor}", -amount))
    return all(
        federation.database(region).rows(entry, f"{fault_id}#waived0#owed", account) == [(wanted,)]
        for region, account, wanted in accounts
    )


async def until_told(federation: Federation, number: str, words: str, sent_by: str, times: int = 1) -> None:
    async def is_told() -> bool:
        return sum(words in text for text in texts(federation, number, sent_by)) == times

    await until(is_told, f"the customer was told {times} times by {sent_by}: {words}")


async def late(federation: Federation, fault: Fault, hours: int) -> None:
    """Lets the limit pass, and the home region tell the customer."""
    await federation.advance(timedelta(hours=hours, minutes=30))
    await until_told(federation, fault.report.number, "未能按期修复", "sichuan")


@PLACES
@pytest.mark.clause("5.4.1")
async def test_a_fault_goes_to_where_it_is_and_all_regions_concerned_follow_it_to_the_end(
    federation: Federation, desk: FaultReporter, place: str
) -> None:
    number, engineers, home = federation.next_number("sichuan"), staff(federation, place), staff(federation, "sichuan")
    filed = await desk.report(number, site=SITES[place])
    assert filed.id.startswith("guangdong/F")
    assert (filed.owner_region, filed.home_region, filed.origin_region) == (place, "sichuan", "guangdong")
    assert from_timestamp(filed.expected_resolution_time) - from_timestamp(filed.create_time) == timedelta(hours=48)
    assert (await engineers.is_taken(filed.id)).state == FaultState.FAULT_STATE_ACKNOWLEDGED
    assert (await engineers.takes_up(filed.id)).state == IN_PROGRESS
    await engineers.resolves(filed.id)
    await desk.reaches(filed.id, RESOLVED)
    closed = await engineers.closes(filed.id)
    for who in (desk, home):
        assert await who.reaches(filed.id, CLOSED) == closed
    assert [each.state for each in closed.state_changes] == [1, IN_PROGRESS, RESOLVED, CLOSED]
    assert waived(federation, filed.id) == []
    await until_told(federation, number, "已修复", "guangdong")
    told = texts(federation, number, "guangdong")
    assert len(told) == 2
    assert filed.id in told[0]


@PLACES
async def test_the_customer_is_told_once_that_it_is_late_and_pays_no_rent_for_the_whole_time(
    federation: Federation, desk: FaultReporter, sichuan: Counter, place: str
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, place)
    filed = await desk.report(number, site=SITES[place])
    await engineers.is_taken(filed.id)
    await engineers.takes_up(filed.id)
    await late(federation, filed, URBAN_HOURS)
    assert waived(federation, filed.id) == [], "nothing before it is repaired"
    resolved = await engineers.resolves(filed.id)
    (outage,) = resolved.outages
    assert outage.HasField("breach_time")
    at_home = await staff(federation, "sichuan").follows(
        filed.id, lambda each: each.outages[0].HasField("waiver"), "rent was given back"
    )
    amount = at_home.outages[0].waiver.amount.minor_units
    assert amount > 0
    assert waived(federation, filed.id) == [amount]
    assert await sichuan.balance(number) == amount
    known = await engineers.follows(filed.id, lambda each: each.outages[0].HasField("waiver"), "known where it is")
    await desk.follows(filed.id, lambda each: each.outages[0].HasField("waiver"), "known where it was reported")
    if place != "sichuan":
        assert not known.outages[0].waiver.HasField("amount"), "staff there see no amount"
        await until(lambda: is_owed(federation, place, filed.id, amount), "the region of the fault owes the rent")
    await engineers.closes(filed.id)
    await until_told(federation, number, "已退回您的账户", "sichuan")
    assert sum("未能按期修复" in each for each in texts(federation, number, "sichuan")) == 1
    assert waived(federation, filed.id) == [amount]


async def test_a_fault_in_the_countryside_is_late_after_72_hours_and_not_after_48(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "sichuan")
    filed = await desk.report(number, site=RURAL_SITE)
    assert from_timestamp(filed.expected_resolution_time) - from_timestamp(filed.create_time) == timedelta(hours=72)
    await engineers.is_taken(filed.id)
    await engineers.takes_up(filed.id)
    await federation.advance(timedelta(hours=URBAN_HOURS + 20))
    assert not (await engineers.get(filed.id)).outages[0].HasField("breach_time")
    await late(federation, filed, RURAL_HOURS - URBAN_HOURS - 20)
    await engineers.resolves(filed.id)
    await until_told(federation, number, "已退回您的账户", "sichuan")


@pytest.mark.parametrize("cause", [FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER])
async def test_no_rent_is_given_back_for_what_the_customers_own_side_has_caused(
    federation: Federation, desk: FaultReporter, sichuan: Counter, cause: FaultCause.ValueType
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    filed = await desk.report(number, site=SITES["henan"])
    terminal = await desk.report(number, site=SITES["henan"], terminal=True)
    for each in (filed, terminal):
        await engineers.is_taken(each.id)
        await engineers.takes_up(each.id)
    await late(federation, filed, URBAN_HOURS)
    await engineers.resolves(filed.id, cause)
    resolved = await engineers.resolves(terminal.id)
    assert not resolved.outages[0].HasField("breach_time"), "for a terminal the law says no time"
    home = staff(federation, "sichuan")
    for each in (filed, terminal):
        await engineers.closes(each.id)
        await home.reaches(each.id, CLOSED)
        assert waived(federation, each.id) == []
    assert sum("未能按期修复" in each for each in texts(federation, number, "sichuan")) == 1


@pytest.mark.clause("6.1(1)")
async def test_a_fault_that_opens_again_after_it_was_late_gives_back_the_additional_time_alone(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    filed = await desk.report(number, site=SITES["henan"])
    await engineers.is_taken(filed.id)
    await engineers.takes_up(filed.id)
    await late(federation, filed, URBAN_HOURS)
    await engineers.resolves(filed.id)
    await engineers.closes(filed.id)
    await desk.reaches(filed.id, CLOSED)
    await federation.advance(timedelta(hours=100))
    again = await desk.says(filed.id, not_repaired="还是不能上网")
    assert (again.state, again.reopenings, len(again.outages)) == (IN_PROGRESS, 1, 2)
    await federation.advance(timedelta(hours=12))
    await engineers.resolves(filed.id)
    await until_told(federation, number, "已退回您的账户", "sichuan", times=2)
    first, second = waived(federation, filed.id)
    assert first / second == pytest.approx(48.5 / 12, rel=0.05)
    assert sum("未能按期修复" in each for each in texts(federation, number, "sichuan")) == 1


async def test_two_late_faults_of_one_line_give_back_the_same_time_once(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    faults = [await desk.report(number, site=SITES["henan"]) for _ in range(2)]
    for each in faults:
        await engineers.is_taken(each.id)
        await engineers.takes_up(each.id)
    await federation.advance(timedelta(hours=URBAN_HOURS, minutes=30))
    await until_told(federation, number, "未能按期修复", "sichuan", times=2)
    for each in faults:
        await engineers.resolves(each.id)
        await engineers.follows(each.id, lambda found: found.outages[0].HasField("waiver"), "settled")
    first, second = (sum(waived(federation, each.id)) for each in faults)
    assert first > 100 > second


@pytest.mark.clause("6.1(3)")
async def test_a_report_waits_for_a_region_that_is_away_and_is_taken_up_once(
    federation: Federation, desk: FaultReporter
) -> None:
    number, request_id = federation.next_number("sichuan"), federation.next_id()
    await federation.stop_node("henan")
    filed = await desk.report(number, site=SITES["henan"], request_id=request_id)
    assert (await desk.report(number, site=SITES["henan"], request_id=request_id)) == filed
    await until_told(federation, number, "已受理", "guangdong")
    await federation.start_node("henan")
    taken = await desk.is_taken(filed.id)
    engineers = staff(federation, "henan")
    assert await engineers.get(filed.id) == taken
    assert await engineers.list(number=number) == [filed.id]
    other = desk.request(number, FaultPlace(site=SITES["sichuan"]))
    assert (await refusal(desk.hand_in(other, request_id))).reason == "REQUEST_ID_REUSED"
    assert sum("已受理" in each for each in texts(federation, number, "guangdong")) == 1


async def test_a_home_region_that_is_away_tells_the_customer_once_and_gives_back_once_when_it_is_back(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    await federation.stop_node("sichuan")
    filed = await desk.report(number, site=SITES["henan"])
    await engineers.is_taken(filed.id)
    await engineers.takes_up(filed.id)
    federation.clock.advance(timedelta(hours=URBAN_HOURS, minutes=30))
    await engineers.follows(filed.id, lambda each: each.outages[0].HasField("breach_time"), "late")
    await engineers.resolves(filed.id)
    await engineers.closes(filed.id)
    await federation.start_node("sichuan")
    await until_told(federation, number, "未能按期修复", "sichuan")
    await until_told(federation, number, "已退回您的账户", "sichuan")
    await engineers.follows(filed.id, lambda each: each.outages[0].HasField("waiver"), "rent was given back")
    # Not the balance: a month may have ended meanwhile, and its rent been billed.
    assert len(waived(federation, filed.id)) == 1
    await staff(federation, "sichuan").reaches(filed.id, CLOSED)


async def test_that_rent_was_given_back_for_a_late_fault_that_is_taken_back_at_home_is_known_where_it_was(
    federation: Federation, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    desk = FaultReporter(federation, "sichuan")
    filed = await desk.report(number, site=SITES["henan"])
    await engineers.is_taken(filed.id)
    await federation.advance(timedelta(hours=URBAN_HOURS, minutes=30))
    await desk.follows(filed.id, lambda each: each.outages[0].HasField("breach_time"), "late")
    await desk.cancel(filed.id)
    await engineers.follows(filed.id, lambda each: each.outages[0].HasField("waiver"), "rent was given back")
    assert len(waived(federation, filed.id)) == 1


async def test_a_fault_that_the_customer_takes_back_is_cancelled_everywhere_and_not_late(
    federation: Federation, desk: FaultReporter
) -> None:
    number = federation.next_number("sichuan")
    filed = await desk.report(number, site=SITES["henan"])
    await desk.is_taken(filed.id)
    assert (await desk.cancel(filed.id)).state == FaultState.FAULT_STATE_CANCELLED
    await staff(federation, "sichuan").reaches(filed.id, FaultState.FAULT_STATE_CANCELLED)
    assert (await refusal(desk.cancel(filed.id))).reason == "FAULT_STATE_FORBIDS"
    assert (await refusal(staff(federation, "henan").takes_up(filed.id))).reason == "FAULT_STATE_FORBIDS"
    elsewhere = FaultReporter(federation, "sichuan")
    assert (await refusal(elsewhere.cancel(filed.id))).reason == "FAULT_NOT_REPORTED_HERE"


@pytest.mark.clause("5.4.4")
async def test_a_major_fault_of_a_link_is_closed_with_a_review_and_its_measures(
    federation: Federation, desk: FaultReporter
) -> None:
    engineers = staff(federation, "sichuan")
    major = FaultSeverity.FAULT_SEVERITY_MAJOR
    filed = await staff(federation, "guangdong").report(link="chengdu-chongqing-1", severity=major)
    assert (filed.owner_region, filed.home_region) == ("sichuan", "")
    await engineers.is_taken(filed.id)
    assert (await refusal(staff(federation, "guangdong").takes_up(filed.id))).reason == "FAULT_NOT_RESPONSIBLE"
    await engineers.takes_up(filed.id)
    assert (await refusal(engineers.resolves(filed.id, FaultCause.FAULT_CAUSE_UNSPECIFIED))).reason == "REQUEST_INVALID"
    await engineers.resolves(filed.id, FaultCause.FAULT_CAUSE_CABLE)
    assert (await refusal(engineers.closes(filed.id))).reason == "FAULT_REVIEW_MISSING"
    closed = await engineers.closes(filed.id, REVIEW)
    assert closed.review.measures[0].owner == "li"
    assert closed.review.author == "sichuan/wang"
    actions = "SELECT category, cause_code, owner, due_date FROM improvement_actions WHERE ticket_id = ?"
    assert federation.database("sichuan").rows(actions, filed.id) == [("FAULT", "cable", "li", "2030-01-31")]


@pytest.mark.parametrize(
    ("about", "is_felt", "place", "services", "severity"),
    [
        (
            NetworkObject(link="chengdu-guangzhou-1"),
            True,
            FaultPlace(link="chengdu-guangzhou-1", region="sichuan"),
            "lines-chengdu-guangzhou",
            FaultSeverity.FAULT_SEVERITY_CRITICAL,
        ),
        (
            NetworkObject(service="broadband-chengdu"),
            False,
            FaultPlace(site="chengdu", region="sichuan"),
            "broadband-chengdu",
            FaultSeverity.FAULT_SEVERITY_MAJOR,
        ),
    ],
)
async def test_an_alarm_raises_a_fault_where_it_is_and_says_how_bad_it_is(
    federation: Federation,
    about: NetworkObject,
    is_felt: bool,
    place: FaultPlace,
    services: str,
    severity: FaultSeverity.ValueType,
) -> None:
    probe, engineers = Probe(federation, "sichuan", federation.next_id()), staff(federation, "sichuan")
    request_id = federation.next_id()
    report = raised("cut", federation.clock.now(), service_affecting=is_felt)
    report.alarmed_object.CopyFrom(about)
    await probe.report(report)
    (alarm,) = await probe.alarms()
    filed = await engineers.hand_in(FaultReport(alarm_id=alarm.id), request_id)
    assert (filed.report.place, filed.severity) == (place, severity)
    assert services in filed.report.services
    assert (filed.report.alarm_id, filed.report.description) == (alarm.id, "lossOfSignal")
    assert [each.fault_id for each in await probe.alarms()] == [filed.id]
    report.specific_problem = "fibre-2"
    await probe.report(report, first=2)
    assert (await engineers.hand_in(FaultReport(alarm_id=alarm.id), request_id)).id == filed.id
    elsewhere = FaultReport(alarm_id=alarm.id, description="dark", place=FaultPlace(site="xichang"))
    assert (await refusal(engineers.hand_in(elsewhere))).reason == "ALARM_HAS_FAULT"
    await engineers.work(filed.id, WorkOnFaultRequest(reject=WorkOnFaultRequest.Reject(reason="seen by nobody")))
    own = await engineers.hand_in(elsewhere)
    assert (own.report.place.site, own.report.description, own.severity) == ("xichang", "dark", MINOR)
    assert [each.fault_id for each in await probe.alarms()] == [own.id]
    unknown = FaultReport(alarm_id="sichuan/alarm-0")
    assert (await refusal(engineers.hand_in(unknown))).reason == "ALARM_NOT_FOUND"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (FaultPlace(site="atlantis"), "SITE_UNKNOWN"),
        (FaultPlace(link="atlantis-1"), "LINK_UNKNOWN"),
        (FaultPlace(address="人民路1号"), "REQUEST_INVALID"),
        (FaultPlace(address="人民路1号", region="atlantis"), "REGION_UNKNOWN"),
        (FaultPlace(site="chengdu", region="henan"), "REQUEST_INVALID"),
        (FaultPlace(site="beijing", link="chengdu-chongqing-1"), "REQUEST_INVALID"),
        (FaultPlace(), "REQUEST_INVALID"),
    ],
)
async def test_a_report_without_a_place_that_is_somewhere_is_refused(
    federation: Federation, desk: FaultReporter, place: FaultPlace, reason: str
) -> None:
    number = federation.next_number("sichuan")
    assert (await refusal(desk.hand_in(desk.request(number, place)))).reason == reason


async def test_who_watches_resumes_after_what_was_read_and_loses_nothing(
    federation: Federation, desk: FaultReporter
) -> None:
    engineers = staff(federation, "henan")
    filed = await desk.report(federation.next_number("sichuan"), site=SITES["henan"])
    await desk.is_taken(filed.id)
    watch = desk.service.WatchFaults(WatchFaultsRequest(fault_id=filed.id, requester=REQUESTER), timeout=CALL_SECONDS)
    first = await anext(aiter(watch))
    watch.cancel()
    await engineers.takes_up(filed.id)
    resumed = desk.service.WatchFaults(
        WatchFaultsRequest(fault_id=filed.id, requester=REQUESTER, token=first.token), timeout=CALL_SECONDS
    )
    async with asyncio.timeout(CALL_SECONDS):
        async for change in resumed:
            if change.fault.state == IN_PROGRESS:
                break
    resumed.cancel()
