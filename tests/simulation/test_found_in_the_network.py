"""Findings of seeds about faults and problems, each a short story: numbers that move, lines that were closed."""

import contextlib
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import cast

import pytest

from gateway.api.federation.v1.problem_pb2 import PROBLEM_STATE_IN_PROGRESS, ProblemHeader
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport, FaultState
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.followed_problem_service_pb2 import FollowProblemRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import Answer, seal_receipt
from gateway.relay.outbox import close_answered
from gateway.store.port import Store, Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import PROBLEMS
from region_node.business.orders.context import OrderContext
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE
from region_node.customers.rows import find_line
from region_node.network.faults import handling, owner, repair
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.faults.rows import require_fault
from region_node.network.problems.service import FollowedProblemService
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from tests.at_rest import open_envelopes
from tests.simulation.calls import served
from tests.simulation.disk import Disk
from tests.simulation.one_region import OneRegion
from tests.simulation.virtual_time import NodeClock, VirtualLoop, WallTime
from tests.simulation.world import PREFIXES, START, drawn_keys, first_database, keys, operator

OWN = f"{PREFIXES['guangdong']}000000"  # a line in Guangdong's database
THEIRS = f"{PREFIXES['sichuan']}000000"
THERE, HERE = FaultPlace(site="chengdu"), FaultPlace(site="guangzhou")
REPORTED, UPDATE = EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED, EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE
LATE = timedelta(hours=49)


class Desk(OneRegion):
    """The desk of Guangdong, with a plan of numbers that can be changed."""

    def report(self, number: str, place: FaultPlace) -> Fault:
        wanted = FaultReport(number=number, description="nothing works", place=place)
        caller = Caller(operator("guangdong", "counter"), "r1", "")
        return self.run(lambda tx: handling.report(tx, self.context, caller, wanted, START))

    def answer(self, kind: EnvelopeKind.ValueType, answer: Answer) -> None:
        """Settles the oldest open envelope of a kind with an answer."""
        sealed = next(each for each in self.run(open_envelopes) if each.content.kind == kind)
        receipt = seal_receipt(sealed, answer, keys().signers["sichuan"], now=START, revision=self.revision)
        command = FaultEnvelopes(self.context).kinds()[kind]
        assert isinstance(command, Command)
        answered: Callable[..., None] = command.answered

        def settle(tx: Transaction) -> None:
            close_answered(tx, sealed.content.id, receipt, journey=b"", attempts=1, now=START)
            answered(tx, sealed.content, ReceiptContent.FromString(receipt.content), START)

        self.run(settle)

    def first_word(self, fault: Fault, home: str) -> None:
        """The region in which a fault is has taken it up, and knows another home of its number."""
        word = Fault()
        word.CopyFrom(fault)
        word.version, word.home_region = 1, home
        self.answer(REPORTED, Answer(Outcome.OUTCOME_ACCEPTED, result=word.SerializeToString()))

    def late(self, fault: Fault) -> None:
        """The region in which a fault is says that its limit has passed."""
        word = self.fault(fault)
        word.version += 1
        word.outages[0].breach_time.CopyFrom(word.outages[0].due_time)
        self.run(lambda tx: handling.adopt(tx, self.context, word, "", START + LATE))

    def hear(
        self,
        fault: Fault,
        version: int,
        state: FaultState.ValueType,
        cause: FaultCause.ValueType = FaultCause.FAULT_CAUSE_UNSPECIFIED,
    ) -> None:
        """The owner region of a fault sends a version of it; its outage is over."""
        word = self.fault(fault)
        word.version, word.state, word.cause = version, state, cause
        word.outages[0].end_time.CopyFrom(to_timestamp(START + LATE))
        self.run(lambda tx: handling.adopt(tx, self.context, word, "", START + LATE))

    def fault(self, fault: Fault) -> Fault:
        return self.run(lambda tx: require_fault(tx, fault.id)).fault

    def told(self, kind: str) -> int:
        sql = "SELECT COUNT(*) FROM notices WHERE kind = :kind"
        return self.run(lambda tx: tx.first(int, sql, kind=kind)) or 0

    def waiting_for(self) -> list[str]:
        return [each.content.destination for each in self.run(open_envelopes)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    border = Border("guangdong", keys().signers["guangdong"], keys().trusted, CurrentFederation())
    disk = Disk(first_database("guangdong"), lambda: False, drawn_keys("guangdong", random.Random(1)))
    yield Desk(disk, OrderContext(RegionContext(border), {}))
    disk.close()


def test_where_a_number_moves_before_a_fault_arrives_only_its_new_home_says_that_it_is_late(desk: Desk) -> None:
    desk.plan(OWN, "guangdong")
    fault = desk.report(OWN, THERE)
    desk.first_word(fault, "henan")
    assert desk.fault(fault).home_region == "henan"
    desk.late(fault)
    assert desk.told("fault-late") == 0


def test_no_region_becomes_the_home_of_a_number_by_the_word_of_another(desk: Desk) -> None:
    desk.plan(THEIRS, "sichuan")
    fault = desk.report(THEIRS, THERE)
    desk.first_word(fault, "guangdong")
    assert desk.fault(fault).home_region == "sichuan"
    desk.late(fault)
    assert desk.told("fault-late") == 0


def test_a_fault_whose_number_has_left_what_was_taken_for_its_home_is_told_to_the_home_that_it_has(desk: Desk) -> None:
    desk.plan(THEIRS, "sichuan")
    fault = desk.report(THEIRS, HERE)
    assert desk.waiting_for() == ["sichuan"]
    desk.plan(THEIRS, "henan")
    desk.answer(UPDATE, Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED))
    assert desk.fault(fault).home_region == "henan"
    assert desk.waiting_for() == ["henan"]


def test_who_refuses_a_fault_and_is_its_home_by_the_plan_is_not_told_again_and_again(desk: Desk) -> None:
    desk.plan(THEIRS, "sichuan")
    fault = desk.report(THEIRS, HERE)
    desk.answer(UPDATE, Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED))
    assert desk.fault(fault).version == 1
    assert desk.waiting_for() == []


def test_rent_that_is_given_back_for_a_line_that_was_closed_meanwhile_is_owed_to_the_customer(desk: Desk) -> None:
    desk.plan(OWN, "guangdong")
    fault = desk.report(OWN, HERE)
    line = desk.run(lambda tx: find_line(tx, OWN))
    assert line is not None
    before = desk.run(lambda tx: ledger.balance(tx, line.account_id))
    closed, late = ProductStatus.PRODUCT_STATUS_TERMINATED, START + LATE
    sql = "UPDATE products SET status = :status WHERE product_id = :id"
    desk.run(lambda tx: tx.execute(sql, status=closed, id=line.product_id))
    timer = Timer("", owner.REPAIR_TIMER, fault.id, to_microseconds(late))
    desk.run(lambda tx: owner.limit_has_passed(tx, desk.context, timer, late))
    resolve = WorkOnFaultRequest.Resolve(cause=FaultCause.FAULT_CAUSE_CABLE, text="repaired")
    for request in (
        WorkOnFaultRequest(fault_id=fault.id, take_up=WorkOnFaultRequest.TakeUp()),
        WorkOnFaultRequest(fault_id=fault.id, resolve=resolve),
    ):
        desk.run(lambda tx, request=request: repair.work(tx, desk.context, request, "wang", late))  # type: ignore[misc]
    amount = desk.fault(fault).outages[0].waiver.amount.minor_units
    assert amount > 0
    assert desk.run(lambda tx: ledger.balance(tx, REFUNDS_DUE)) == amount
    assert desk.run(lambda tx: ledger.balance(tx, line.account_id)) == before


def test_who_hears_of_a_repair_only_once_the_fault_was_closed_tells_the_customer_once(desk: Desk) -> None:
    desk.plan(OWN, "guangdong")
    fault = desk.report(OWN, THERE)
    desk.first_word(fault, "guangdong")
    for version, state in ((4, FaultState.FAULT_STATE_CLOSED), (3, FaultState.FAULT_STATE_RESOLVED)):
        desk.hear(fault, version, state)
    assert desk.told("fault-repaired") == 1


def test_no_rent_is_given_back_for_the_customers_own_fault_when_it_opens_again(desk: Desk) -> None:
    desk.plan(OWN, "guangdong")
    fault = desk.report(OWN, THERE)
    desk.first_word(fault, "guangdong")
    desk.late(fault)
    desk.hear(fault, 3, FaultState.FAULT_STATE_RESOLVED, FaultCause.FAULT_CAUSE_CUSTOMER)
    desk.hear(fault, 4, FaultState.FAULT_STATE_IN_PROGRESS)
    assert desk.told("fault-waived") == 0
    desk.hear(fault, 5, FaultState.FAULT_STATE_RESOLVED, FaultCause.FAULT_CAUSE_CABLE)
    assert desk.told("fault-waived") == 1


def test_a_region_that_knows_no_network_yet_is_told_of_problems_later(desk: Desk) -> None:
    header = ProblemHeader(id="problem-1", state=PROBLEM_STATE_IN_PROGRESS, version=1, start_time=to_timestamp(START))
    request, caller = FollowProblemRequest(header=header), operator("guangdong", "counter")
    with contextlib.closing(VirtualLoop()) as loop:
        service = FollowedProblemService(desk.context, cast("Store", None), NodeClock(WallTime(loop, START)), PROBLEMS)
        with pytest.raises(Refused) as refused:
            loop.run_until_complete(served(service.FollowProblem, caller, request))
    assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING
