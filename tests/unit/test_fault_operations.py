"""A region's handling of faults of its own customers in its own places, to the microsecond and the fen."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money, Requester
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Command
from gateway.rpc.pages import dated_place
from gateway.store import vault
from gateway.store.timers import due_timers
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.app.registered import PROBLEMS
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, earned
from region_node.customers.rows import insert_line
from region_node.lifecycle.holds import operations as holds
from region_node.network.faults import handling, owner, repair, waiver
from region_node.network.faults.owner import REPAIR_TIMER
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.faults.rows import (
    FaultFilter,
    FaultRow,
    fault_subject,
    find_fault,
    list_faults,
    next_fault_number,
    require_fault,
)
from region_node.network.faults.rules import MINOR, RESOLVED
from region_node.network.problems.following import follow
from region_node.node.subjects import number_index
from region_node.requests.auditing import AuditedCall
from region_node.requests.caller import OwnNode
from tests.unit.purging import LONG_AGO, Archive, archive
from tests.unit.purging import NOW as TONIGHT
from tests.unit.situations import LINE

START = datetime(2026, 12, 10, 4, 0, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
CABLE, TERMINAL = FaultCause.FAULT_CAUSE_CABLE, FaultCause.FAULT_CAUSE_TERMINAL
RENT = 5900  # fen a month of the plan of LINE
MONTH_HOURS = 31 * 24  # of December


@pytest.fixture(name="node")
def a_region_with_a_customer() -> Iterator[Archive]:
    with archive() as found:
        found.customer()
        insert_line(found.tx, replace(LINE, start_time=datetime(2020, 1, 1, tzinfo=UTC)))
        yield found


def reported(
    node: Archive,
    name: str,
    *,
    site: str = "chengdu",
    at: datetime = START,
    number: str = LINE.number,
    contact: str = "",
) -> Fault:
    """A fault that the region's own node reports, and on which somebody works."""
    report = FaultReport(
        number=number, contact_number=contact, description="no signal", place=FaultPlace(site=site), alarm_id="a1"
    )
    fault = handling.report(node.tx, node.context, OwnNode("sichuan", name, ""), report, at)
    return done(node, fault, WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp()), at)


def done(node: Archive, fault: Fault, step: WorkOnFaultRequest, at: datetime) -> Fault:
    step.fault_id = fault.id
    return repair.work(node.tx, node.context, step, "wang", at)


def resolved(node: Archive, fault: Fault, at: datetime, cause: FaultCause.ValueType = CABLE) -> Fault:
    return done(node, fault, WorkOnFaultRequest(resolve=WorkOnFaultRequest.Resolve(cause=cause, text="done")), at)


def closed(node: Archive, fault: Fault, at: datetime) -> Fault:
    return done(node, fault, WorkOnFaultRequest(close=WorkOnFaultRequest.Close()), at)


def fire(node: Archive, at: datetime) -> int:
    """Fires the timers of limits that are due; how many."""
    due = [each for each in due_timers(node.tx, at) if each.kind == REPAIR_TIMER]
    for each in due:
        owner.limit_has_passed(node.tx, node.context, each, at)
    return len(due)


def told(node: Archive) -> list[str]:
    return node.tx.all(str, "SELECT kind FROM notices ORDER BY create_time, notice_id")


def balance(node: Archive) -> int:
    return ledger.balance(node.tx, LINE.account_id)


def share(hours: float) -> int:
    return round(RENT * hours / MONTH_HOURS)


@pytest.mark.parametrize(("site", "hours"), [("chengdu", 48), ("xichang", 72)])
@pytest.mark.clause("F3.2")
def test_a_repair_as_the_limit_ends_costs_nothing_and_one_a_moment_later_the_rent_of_the_whole_time(
    node: Archive, site: str, hours: int
) -> None:
    limit = hours * HOUR
    in_time = reported(node, "in-time", site=site)
    assert fire(node, START + limit) == 0
    resolved(node, in_time, START + limit)
    assert (balance(node), "fault-late" in told(node)) == (0, False)
    late = reported(node, "late", site=site)
    assert fire(node, START + limit + TICK) == 1
    assert told(node).count("fault-late") == 1
    assert balance(node) == 0
    known = resolved(node, late, START + limit + TICK)
    assert balance(node) == share(hours) == known.outages[0].waiver.amount.minor_units
    assert (told(node).count("fault-late"), told(node).count("fault-waived")) == (1, 1)


def test_a_limit_that_passes_while_the_node_is_down_is_noted_at_the_repair_and_told_once(node: Archive) -> None:
    fault = reported(node, "late")
    resolved(node, fault, START + 60 * HOUR)
    assert fire(node, START + 61 * HOUR) == 0
    assert told(node).count("fault-late") == 1
    assert balance(node) == share(60)


def test_no_rent_is_given_back_before_the_configuration_that_says_how_much_is_known(node: Archive) -> None:
    fault = resolved(node, reported(node, "in-time"), START + HOUR)
    fault.outages[0].breach_time.CopyFrom(fault.outages[0].due_time)
    unready = replace(node.context, border=replace(node.context.border, current=CurrentFederation()))
    with pytest.raises(Refused) as refused:
        waiver.settle(node.tx, unready, FaultRow(fault, ""), START + HOUR)
    assert (refused.value.reason, node.count("fault_waivers")) == (Reason.REASON_CONFIGURATION_MISSING, 0)


def test_a_later_version_gives_nothing_back_again_and_the_rent_account_bears_it(node: Archive) -> None:
    fault = resolved(node, reported(node, "late"), START + 50 * HOUR)
    closed(node, fault, START + 51 * HOUR)
    given = balance(node)
    assert given == share(50)
    assert ledger.balance(node.tx, "rent") == -given
    assert node.count("fault_waivers") == 1


def test_the_additional_time_alone_is_given_back_where_a_late_fault_opens_again(node: Archive) -> None:
    fault = closed(node, resolved(node, reported(node, "late"), START + 50 * HOUR), START + 51 * HOUR)
    again = WorkOnFaultRequest(reopen=WorkOnFaultRequest.Reopen(reason="it is not"))
    done(node, fault, again, START + 100 * HOUR)
    resolved(node, fault, START + 110 * HOUR)
    assert balance(node) == share(50) + share(10)
    assert told(node).count("fault-late") == 1
    assert told(node).count("fault-waived") == 2


def test_a_terminal_is_never_late_and_what_turns_out_to_be_none_is(node: Archive) -> None:
    terminal = WorkOnFaultRequest(assess=WorkOnFaultRequest.Assess(severity=MINOR, terminal_caused=True))
    network = WorkOnFaultRequest(assess=WorkOnFaultRequest.Assess(severity=MINOR, terminal_caused=False))
    fault = reported(node, "terminal")
    done(node, fault, terminal, START + HOUR)
    assert fire(node, START + 60 * HOUR) == 0
    done(node, fault, network, START + 60 * HOUR)
    assert fire(node, START + 60 * HOUR) == 1
    other = reported(node, "customer")
    resolved(node, other, START + 60 * HOUR, TERMINAL)
    assert (balance(node), told(node).count("fault-late")) == (0, 1)


def test_what_was_repaired_late_as_the_customers_own_and_turns_out_to_be_the_networks_is_late_after_all(
    node: Archive,
) -> None:
    own, network = (
        WorkOnFaultRequest(assess=WorkOnFaultRequest.Assess(severity=MINOR, terminal_caused=terminal))
        for terminal in (True, False)
    )
    fault = done(node, reported(node, "own"), own, START + HOUR)
    resolved(node, fault, START + 60 * HOUR)
    assert (balance(node), "fault-late" in told(node)) == (0, False)
    done(node, fault, network, START + 61 * HOUR)
    assert (balance(node), told(node).count("fault-late")) == (share(60), 1)
    closed(node, fault, START + 62 * HOUR)
    assert balance(node) == share(60)


def cancelled(node: Archive, fault: Fault, at: datetime) -> Fault:
    asked = FaultCommand(fault_id=fault.id, requester=Requester(staff_id="4711"))
    asked.cancel.reason = "it works again"
    return owner.apply_command(node.tx, node.context, asked, at)


@pytest.mark.parametrize(("hours", "given"), [(48, 0), (60, share(60))])
def test_a_customer_who_takes_a_late_fault_back_pays_no_rent_for_its_time(
    node: Archive, hours: int, given: int
) -> None:
    cancelled(node, reported(node, "back"), START + hours * HOUR)
    assert fire(node, START + 61 * HOUR) == 0
    assert balance(node) == given
    assert told(node).count("fault-late") == bool(given)


def test_the_customer_hears_what_is_expected_now_and_once_for_each_estimate(node: Archive) -> None:
    fault = reported(node, "estimated")
    for hours in (10, 10, 20):
        step = WorkOnFaultRequest(estimate=WorkOnFaultRequest.Estimate(end_time=to_timestamp(START + hours * HOUR)))
        done(node, fault, step, START + HOUR)
    assert told(node).count("fault-estimate") == 2


@pytest.mark.parametrize("seconds", [2**60, 253402300799])
def test_no_repair_is_planned_for_a_time_that_nobody_plans_for(node: Archive, seconds: int) -> None:
    fault, far, soon = reported(node, "far"), Timestamp(seconds=seconds), to_timestamp(START + 3 * HOUR)
    for step in (
        WorkOnFaultRequest(estimate=WorkOnFaultRequest.Estimate(end_time=far)),
        WorkOnFaultRequest(appoint=WorkOnFaultRequest.Appoint(start_time=soon, end_time=far)),
        WorkOnFaultRequest(appoint=WorkOnFaultRequest.Appoint(start_time=far, end_time=far)),
    ):
        with pytest.raises(Refused, match="days from now"):
            done(node, fault, step, START)


def test_a_customer_is_told_once_that_nothing_is_heard_from_the_region_that_is_to_repair(node: Archive) -> None:
    """The fault of a place in Henan, whose node is away: the region in which it was reported knows of the limit."""
    report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="zhengzhou"))
    fault = handling.report(node.tx, node.context, OwnNode("sichuan", "away", ""), report, START)
    assert fire(node, START + 48 * HOUR + TICK) == 0, "word may be on its way"
    assert fire(node, START + 49 * HOUR) == 1
    assert told(node).count("fault-unheard") == 1
    snapshot = Fault()
    snapshot.CopyFrom(fault)
    snapshot.version, snapshot.state = 2, RESOLVED
    snapshot.outages[0].end_time.CopyFrom(to_timestamp(START + 40 * HOUR))
    handling.adopt(node.tx, node.context, snapshot, "", START + 50 * HOUR)
    assert (balance(node), "fault-late" in told(node)) == (0, False)


def test_nobody_is_asked_about_a_fault_whose_repair_was_told_in_time(node: Archive) -> None:
    report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="zhengzhou"))
    fault = handling.report(node.tx, node.context, OwnNode("sichuan", "there", ""), report, START)
    snapshot = Fault()
    snapshot.CopyFrom(fault)
    snapshot.version, snapshot.state = 2, RESOLVED
    snapshot.outages[0].end_time.CopyFrom(to_timestamp(START + 40 * HOUR))
    handling.adopt(node.tx, node.context, snapshot, "", START + 40 * HOUR)
    assert fire(node, START + 60 * HOUR) == 0


def test_that_a_fault_is_late_goes_to_the_contact_and_money_to_the_number_itself(node: Archive) -> None:
    contact = "+8613800000001"
    fault = reported(node, "contact", contact=contact)
    resolved(node, fault, START + 60 * HOUR)
    by_kind = dict(
        node.tx.all(lambda kind, number: (str(kind), str(number)), "SELECT kind, number FROM notices ORDER BY kind")
    )
    assert by_kind["fault-late"] == number_index(node.tx, contact)
    assert by_kind["fault-waived"] == number_index(node.tx, LINE.number)


@pytest.mark.parametrize(("covered", "accepted"), [(True, False), (False, True), (False, False)])
@pytest.mark.clause("6.3(2)", "9.2(3)")
def test_a_part_outside_of_the_warranty_is_charged_once_it_is_put_in_and_only_at_a_price_that_was_accepted(
    node: Archive, covered: bool, accepted: bool
) -> None:
    fault = reported(node, "part")
    part = WorkOnFaultRequest.NamePart(name="ONU", price=Money(minor_units=12000, currency="CNY"), in_warranty=covered)
    done(node, fault, WorkOnFaultRequest(name_part=part), START + HOUR)
    if not covered:
        asked = FaultCommand(fault_id=fault.id, requester=Requester(staff_id="4711"))
        asked.decide_quote.part, asked.decide_quote.accepted = 1, accepted
        owner.apply_command(node.tx, node.context, asked, START + HOUR)
    assert balance(node) == 0
    put_in = WorkOnFaultRequest(install_part=WorkOnFaultRequest.InstallPart(part=1))
    if not covered and not accepted:
        with pytest.raises(Refused, match="1"):
            done(node, fault, put_in, START + 2 * HOUR)
        assert balance(node) == 0
        return
    known = done(node, done(node, fault, put_in, START + 2 * HOUR), put_in, START + 3 * HOUR)
    assert known.repair.parts[0].charged is not covered
    assert balance(node) == (0 if covered else -12000)
    assert ledger.balance(node.tx, earned(EntryKind.REPAIR_PART)) == -balance(node)
    assert told(node).count("fault-charged") == (not covered)


def test_the_part_of_a_customer_of_another_region_is_not_charged_by_the_node(node: Archive) -> None:
    fault = reported(node, "foreign", number="+8613600009999")
    fault_row = require_fault(node.tx, fault.id).fault
    assert fault_row.home_region != "sichuan"
    part = WorkOnFaultRequest.NamePart(name="ONU", price=Money(minor_units=12000, currency="CNY"))
    done(node, fault, WorkOnFaultRequest(name_part=part), START + HOUR)
    asked = FaultCommand(fault_id=fault.id, requester=Requester(staff_id="4711"))
    asked.decide_quote.part, asked.decide_quote.accepted = 1, True
    owner.apply_command(node.tx, node.context, asked, START + HOUR)
    put_in = WorkOnFaultRequest(install_part=WorkOnFaultRequest.InstallPart(part=1))
    known = done(node, fault, put_in, START + 2 * HOUR)
    assert (known.repair.parts[0].charged, ledger.balance(node.tx, earned(EntryKind.REPAIR_PART))) == (False, 0)


def test_a_customer_hears_that_a_report_is_no_fault_of_the_network_and_gets_nothing_back(node: Archive) -> None:
    report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="chengdu"))
    fault = handling.report(node.tx, node.context, OwnNode("sichuan", "none", ""), report, START)
    step = WorkOnFaultRequest(reject=WorkOnFaultRequest.Reject(reason="the plug was out"))
    done(node, fault, step, START + 60 * HOUR)
    assert (told(node), balance(node)) == (["fault-reported", "fault-rejected"], 0)


@pytest.mark.parametrize(("hours", "cause", "times"), [(60, TERMINAL, 1), (60, CABLE, 0), (40, TERMINAL, 0)])
def test_who_was_told_of_a_late_fault_hears_that_it_was_their_own_terminal(
    node: Archive, hours: int, cause: FaultCause.ValueType, times: int
) -> None:
    fault = reported(node, "own")
    assert fire(node, START + (48 * HOUR + TICK if hours > 48 else 30 * HOUR)) == int(hours > 48)
    closed(node, resolved(node, fault, START + hours * HOUR, cause), START + 61 * HOUR)
    assert told(node).count("fault-own") == times


def test_two_late_faults_of_one_line_cost_the_rent_of_the_time_once(node: Archive) -> None:
    first, second = reported(node, "one"), reported(node, "two", at=START + 10 * HOUR)
    resolved(node, first, START + 60 * HOUR)
    resolved(node, second, START + 70 * HOUR)
    assert balance(node) == share(70)


def test_a_number_without_a_line_gets_nothing_and_is_not_asked_for_again(node: Archive) -> None:
    fault = resolved(node, reported(node, "nobody", number="+8619851000009"), START + 50 * HOUR)
    assert fault.outages[0].waiver.amount.minor_units == 0
    assert node.count("fault_waivers") == 1
    assert "fault-waived" not in told(node)


def test_a_fault_follows_its_problem_and_takes_over_the_estimated_end(node: Archive) -> None:
    fault, end = reported(node, "problem"), START + 7 * HOUR
    for _ in range(2):
        owner.follow_problem(node.tx, node.context, fault.id, "P-1", "link x", START + HOUR, estimated_end=end)
    known = require_fault(node.tx, fault.id).fault
    assert (known.problem_id, known.root_cause_id, known.version) == ("P-1", "link x", fault.version + 1)
    assert from_timestamp(known.expected_resolution_time) == end
    owner.follow_problem(node.tx, node.context, "sichuan/F1-1", "P-1", "link x", START)
    resolved(node, fault, START + 8 * HOUR)
    owner.follow_problem(node.tx, node.context, fault.id, "P-2", "", START + 9 * HOUR)
    assert require_fault(node.tx, fault.id).fault.problem_id == "P-1"


def test_a_fault_of_a_problem_takes_over_its_cause_only_where_one_is_claimed(node: Archive) -> None:
    fault = reported(node, "problem")
    header = ProblemHeader(id="P-1", version=1, child_ids=[f"sichuan/fault/{fault.id.replace('/', ':')}"])
    header.root_cause.id = "chengdu-guangzhou-1"
    for confidence, cause in ((0, ""), (80, "chengdu-guangzhou-1")):
        header.confidence = confidence
        assert follow(node.tx, node.context, PROBLEMS.evidence, header, START + HOUR)
        known = require_fault(node.tx, fault.id).fault
        assert (known.problem_id, known.root_cause_id) == ("P-1", cause)
        header.version += 1


def test_what_the_node_reports_twice_by_one_id_is_one_fault(node: Archive) -> None:
    report = FaultReport(description="loss of light", place=FaultPlace(link="chengdu-chongqing-1"), alarm_id="a2")
    caller = OwnNode("sichuan", "alarm-a2", "")
    first = handling.report(node.tx, node.context, caller, report, START)
    assert handling.report(node.tx, node.context, caller, report, START + HOUR) == first
    assert (first.owner_region, first.home_region, told(node)) == ("sichuan", "", [])


def test_a_fault_that_ended_long_ago_goes_with_all_that_is_about_it_unless_it_is_held(node: Archive) -> None:
    old = TONIGHT - LONG_AGO
    node.night(TONIGHT)
    gone = closed(node, resolved(node, reported(node, "gone", at=old), old + 50 * HOUR), old + 51 * HOUR)
    open_one = reported(node, "open", at=old)
    assert node.count("fault_waivers") == 1
    hold = AuditedCall("staff", "chen", TONIGHT)
    holds.hold(node.tx, LINE.customer_id, "court/1", TONIGHT + timedelta(days=3), hold, node.revocations)
    node.night(TONIGHT + timedelta(days=1))
    assert node.report()["DATA_CLASS_FAULTS"].held == 1
    assert find_fault(node.tx, gone.id) is not None
    number, given = next_fault_number(node.tx), balance(node)
    node.night(TONIGHT + timedelta(days=4))
    assert node.report()["DATA_CLASS_FAULTS"].removed == 1
    assert (find_fault(node.tx, gone.id), node.count("fault_waivers")) == (None, 0)
    assert not vault.key_ids_of(node.tx, [fault_subject(gone.id)]), "a copy of it cannot be read either"
    assert find_fault(node.tx, open_one.id) is not None
    assert (next_fault_number(node.tx), balance(node)) == (number, given)


def test_a_fault_that_the_other_region_does_not_take_is_not_lost_and_is_repaired_from_here(node: Archive) -> None:
    report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="zhengzhou"))
    fault = handling.report(node.tx, node.context, OwnNode("sichuan", "elsewhere", ""), report, START)
    assert (fault.owner_region, fault.version) == ("henan", 0)
    answered = FaultEnvelopes(node.context).kinds()[EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED]
    assert isinstance(answered, Command)
    filed = EnvelopeContent(origin="sichuan", destination="henan", subject=fault.id)
    refused = ReceiptContent(outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_SITE_UNKNOWN)
    refused.reason_parameters["site"] = "zhengzhou"
    for _ in range(2):
        answered.answered(node.tx, filed, refused, START + HOUR)
    kept = require_fault(node.tx, fault.id).fault
    assert (kept.owner_region, kept.version, len(kept.notes)) == ("sichuan", 1, 1)
    assert "zhengzhou" in kept.notes[0].text
    assert fire(node, START + 49 * HOUR) == 1
    assert told(node) == ["fault-reported", "fault-late"]


def test_a_page_of_a_list_is_full_however_many_of_the_newest_cannot_be_read_any_more(node: Archive) -> None:
    faults = [reported(node, f"f{number}", at=START + number * HOUR) for number in range(6)]
    vault.destroy(node.tx, [fault_subject(each.id) for each in faults[2:5]])
    wanted = FaultFilter(region="sichuan")
    page = list_faults(node.tx, wanted, None, 2)
    assert [each.id for each in page.items] == [faults[5].id, faults[1].id]
    last = list_faults(node.tx, wanted, dated_place(page.following), 2)
    assert ([each.id for each in last.items], last.following) == ([faults[0].id], "")
