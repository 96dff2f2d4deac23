"""Findings of seeds about customers who move, each a short story."""

import contextlib
import logging
import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove, MoveState
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import Answer, seal_receipt
from gateway.relay.outbox import close_answered
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.app.registered import registry
from region_node.business.billing import monthly
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import ORDER
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE, EntryKind, charge, payable
from region_node.customers.messages import customer_message
from region_node.customers.rows import find_customer, find_line, lines_that_moved
from region_node.customers.states import states_of
from region_node.customers.status import ACTIVE, MOVED, status_of
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.moving.restored import mark_moved, marked_at_home
from region_node.network.faults import moved
from region_node.node.context import RegionContext
from tests.at_rest import open_envelopes
from tests.simulation.coordinator import Coordinator
from tests.simulation.disk import Disk
from tests.simulation.federation import errors_are_defects, simulate
from tests.simulation.history import DefectLog, History, Violation
from tests.simulation.network import Network
from tests.simulation.one_region import OneRegion
from tests.simulation.relocating import LostArrivals, Relocation
from tests.simulation.virtual_time import NodeClock, Process, VirtualLoop, WallTime
from tests.simulation.world import CURRENCY, START, drawn_keys, first_database, keys, subscribers

NEXT_MONTH = timedelta(days=6)  # after the start: the month of the move has ended
MOVER = next(each for each in subscribers() if each.region == "sichuan" and "relocates" in each.traits)
HAND_OVER = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER
MOVE, BACK = "sichuan/counter/m1", "guangdong/counter/m2"


class OldHome(OneRegion):
    """Sichuan, from which a customer moves."""

    def confirm(self) -> None:
        """The customer is on the way, and the hand-over in the outbox."""
        kinds, asked = registry(self.context), CustomerMove(id=MOVE, to_region="guangdong")
        asked.lines.add(number=MOVER.number, plan_id="guangdong-79")
        self.run(lambda tx: operations.start(tx, kinds, asked, MOVER.number, START))
        self.run(lambda tx: operations.confirm(tx, kinds, MOVE, START, ""))

    def accepted(self) -> None:
        """The new home has taken the customer over."""
        sealed = next(each for each in self.run(open_envelopes) if each.content.kind == HAND_OVER)
        answer, now = Answer(Outcome.OUTCOME_ACCEPTED), START + NEXT_MONTH
        receipt = seal_receipt(sealed, answer, keys().signers["guangdong"], now=now, revision=self.revision)
        command = MoveEnvelopes(self.context).kinds()[HAND_OVER]
        assert isinstance(command, Command)
        answered: Callable[..., None] = command.answered

        def settle(tx: Transaction) -> None:
            close_answered(tx, sealed.content.id, receipt, journey=b"", attempts=1, now=now)
            answered(tx, sealed.content, ReceiptContent.FromString(receipt.content), now)

        self.run(settle)

    def bill(self) -> None:
        """The month of the confirmation has ended, and is billed."""

        def bill(tx: Transaction) -> None:
            monthly.begin(tx, self.context, START)
            while monthly.bill_page(tx, self.context, START + NEXT_MONTH):
                continue

        self.run(bill)

    def balance(self, account: str) -> int:
        return self.run(lambda tx: ledger.balance(tx, account))


def contradict(region: str, owner: str) -> None:
    """The owner of a cancelled order tells a region another end of it."""
    order = Order(id="henan/counter/r1", home_region=owner, version=2, state=OrderState.ORDER_STATE_CANCELLED)
    told = Order(id=order.id, home_region=owner, version=3, state=OrderState.ORDER_STATE_REJECTED)
    assert ORDER.next_version(region, order, told) is None


class Restarted:
    """A region of which `by` is contradicted as soon as it starts: what a restoration needs of a region."""

    def __init__(self, name: str, by: str, about: str) -> None:
        self.name = name
        self.disk = Disk(first_database(name), lambda: False, drawn_keys(name, random.Random(1)))
        self._contradicted = [about] if name == by else []

    @property
    def ports(self) -> "Restarted":
        return self

    async def start(self) -> None:
        await Process(f"{self.name}/1").spawn(self._run())

    async def _run(self) -> None:
        for each in self._contradicted:
            contradict(self.name, each)

    def kill(self) -> None:
        """It has ended by itself."""


@pytest.fixture
def home() -> Iterator[OldHome]:
    border = Border("sichuan", keys().signers["sichuan"], keys().trusted, CurrentFederation())
    disk = Disk(first_database("sichuan"), lambda: False, drawn_keys("sichuan", random.Random(1)))
    made = OldHome(disk, OrderContext(RegionContext(border), {}))
    made.plan(MOVER.number, "sichuan")
    yield made
    disk.close()


@pytest.fixture
def old_home(home: OldHome) -> OldHome:
    home.confirm()
    return home


def test_a_month_that_is_billed_while_a_customer_is_on_the_way_leaves_nothing_in_the_closed_account(
    old_home: OldHome,
) -> None:
    before = old_home.balance(MOVER.account_id)
    old_home.bill()
    billed = before - old_home.balance(MOVER.account_id)
    old_home.accepted()
    assert old_home.run(lambda tx: status_of(tx, MOVER.customer_id)) == MOVED
    assert old_home.balance(MOVER.account_id) == 0
    told = old_home.balance(payable("guangdong"))
    assert before - billed < told < before, "the new home charges the days after the confirmation"


def test_a_month_that_is_billed_after_the_receipt_charges_nothing_from_the_confirmation_on(old_home: OldHome) -> None:
    old_home.accepted()
    old_home.bill()
    assert old_home.balance(MOVER.account_id) == 0
    last = old_home.run(lambda tx: states_of(tx, lines_that_moved(tx, MOVER.customer_id)[0]))[-1]
    assert (last.status, last.time) == (ProductStatus.PRODUCT_STATUS_TERMINATED, START)


def test_what_a_customer_on_the_way_is_given_is_owed_by_the_old_home(old_home: OldHome) -> None:
    waived = charge("waiver", EntryKind.RENT_WAIVED, -300, MOVER.account_id)
    old_home.run(lambda tx: ledger.post(tx, waived, CURRENCY, START))
    old_home.accepted()
    assert (old_home.balance(MOVER.account_id), old_home.balance(REFUNDS_DUE)) == (0, 300)


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_customer_comes_back_to_a_region_whose_older_database_has_its_number_still(
    home: OldHome, is_marked: bool
) -> None:
    home.plan(MOVER.number, "guangdong")
    federation = home.context.federation
    if is_marked:
        home.run(lambda tx: mark_moved(tx, [MOVER.number], federation, home.context.region, START))
    told = CustomerHandOver(move=CustomerMove(id=BACK, from_region="guangdong", to_region="sichuan"))
    told.move.state = MoveState.MOVE_STATE_MOVING
    told.move.lines.add(number=MOVER.number, plan_id="sichuan-59")
    told.move.create_time.CopyFrom(to_timestamp(START))
    told.move.change_time.CopyFrom(to_timestamp(START))
    told.customers.append(home.run(_as_told))
    content = EnvelopeContent(
        origin="guangdong", subject=BACK, payload=told.SerializeToString(), federation_revision=home.revision
    )
    command = MoveEnvelopes(home.context).kinds()[HAND_OVER]
    assert isinstance(command, Command)
    act: Callable[..., Answer] = command.act
    assert home.run(lambda tx: act(tx, content, START)).outcome == Outcome.OUTCOME_ACCEPTED
    line = home.run(lambda tx: find_line(tx, MOVER.number))
    assert line is not None
    assert line.customer_id == rules.ids_at_new_home(BACK)
    states = [home.run(lambda tx, of=each: status_of(tx, of)) for each in (line.customer_id, MOVER.customer_id)]  # type: ignore[misc]
    assert states == [ACTIVE, MOVED]
    home.plan(MOVER.number, "sichuan")
    named, region = home.context.federation, home.context.region
    assert home.run(lambda tx: marked_at_home(tx, named, region)) == [], "the customer of then stays moved"


@pytest.mark.parametrize(("behind", "defects"), [("sichuan", 0), ("guangdong", 1), ("", 1)])
def test_what_an_owner_with_an_older_database_contradicts_is_logged_by_others_and_no_defect(
    behind: str, defects: int, caplog: pytest.LogCaptureFixture
) -> None:
    contradict("henan", "sichuan")
    (record,) = caplog.records
    assert len(_defects(record, behind)) == defects
    record.exc_info = (ValueError, ValueError(), None)
    assert len(_defects(record, behind)) == 1, "no region causes an exception in another one"


@pytest.mark.parametrize(
    ("by", "about", "defects"), [("henan", "sichuan", 0), ("sichuan", "henan", 0), ("henan", "guangdong", 1)]
)
def test_a_new_home_that_is_restored_and_the_others_contradict_each_other_without_a_defect(
    by: str, about: str, defects: int
) -> None:
    restored = first_database("sichuan")
    moved = Relocation(MOVER, 0.0, (), False, False, homes=["sichuan"], arrivals={MOVE: restored}, last=MOVE)
    with contextlib.closing(VirtualLoop()) as loop:
        history, clock = History(loop), NodeClock(WallTime(loop, START))
        coordinator = Coordinator(history, Network(history, random.Random(1)), clock, random.Random(2))
        regions = [Restarted(each, by, about) for each in ("sichuan", "henan")]
        with errors_are_defects(history):
            lost = LostArrivals([moved], regions, coordinator, history)  # type: ignore[arg-type]
            loop.run_until_complete(lost.restore())
    for each in regions:
        each.disk.close()
    assert len(history.violations) == defects, history.violations
    told = [each for each in history.events if "is final here" in each.what]
    assert len(told) == 1 - defects
    assert history.counts["new homes restored"] == 1


@pytest.mark.slow
def test_rent_is_given_back_once_by_homes_whose_clocks_tell_the_moves_in_another_order() -> None:
    report = simulate(39_996)
    assert not report.violations, "\n".join(report.story())


@pytest.mark.slow
def test_an_issue_about_rent_that_a_new_home_refuses_is_expected_in_the_trace_of_its_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no such outage")

    monkeypatch.setattr(moved, "require_told", refuse)
    report = simulate(39_996)
    assert any("/I" in each.about for each in report.events), "a region has opened an issue"
    assert [each for each in report.violations if each.guarantee == "one trace"] == []


@pytest.mark.slow
def test_an_order_of_one_who_came_back_after_the_plan_is_carried_out_by_a_home_that_has_just_started() -> None:
    report = simulate(30_020)
    assert not report.violations, "\n".join(report.story())


def _defects(record: logging.LogRecord, behind: str) -> list[Violation]:
    """What a run finds in a log while the database of a region is behind."""
    with contextlib.closing(VirtualLoop()) as loop:
        history = History(loop, behind=behind)
        DefectLog(history).emit(record)
    return history.violations


def _as_told(tx: Transaction) -> Customer:
    """The customer as its present home tells it."""
    line, customer = find_line(tx, MOVER.number), find_customer(tx, MOVER.customer_id)
    assert line is not None
    assert customer is not None
    return customer_message(customer, line, (), Money(minor_units=1_000, currency=CURRENCY))
