"""Findings of seeds, each a short story.

Orders move or are overtaken, a region's own system answers, a disk fails while a node starts, an envelope is forgotten.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import SurveyOccasion
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import Answer, OutgoingEnvelope, Sealed, seal_receipt
from gateway.relay.inbox import receive
from gateway.relay.outbox import close_answered
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from region_node.app.registered import registry
from region_node.business.orders import handling, intake
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.provisioning_answers import Answer as Told
from region_node.business.orders.provisioning_answers import Asked, answered, ask
from region_node.business.orders.provisioning_rows import due_tasks
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.business.orders.rows import require_order
from region_node.care.surveys.relayed import SurveyEnvelopes
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, IN_TRANSIT
from region_node.customers.moved_numbers import note_homes
from region_node.customers.rows import find_line
from region_node.customers.status import ACTIVE, MOVING, keep_status
from region_node.lifecycle.erasure.status_envelopes import CustomerStatusEnvelopes, forget_envelopes
from region_node.lifecycle.moving.restored import mark_moved, unmark
from region_node.node.context import RegionContext
from region_node.records.forgetting import FORGET_TIMER
from region_node.requests.caller import Caller
from region_node.requests.rows import find_request
from tests.at_rest import open_envelopes
from tests.sealed_envelopes import seal
from tests.simulation.checks import answers
from tests.simulation.coordinator import Coordinator, ToCoordinator
from tests.simulation.disk import Disk
from tests.simulation.evidence import Evidence
from tests.simulation.history import History
from tests.simulation.network import Network
from tests.simulation.one_region import OneRegion
from tests.simulation.plans import documents
from tests.simulation.region import Region, RegionPorts
from tests.simulation.verification import Phones
from tests.simulation.virtual_time import NodeClock, VirtualLoop, WallTime
from tests.simulation.world import PREFIXES, START, drawn_keys, first_database, keys, operator

OWN = f"{PREFIXES['guangdong']}000000"  # a line in Guangdong's database
THEIRS = f"{PREFIXES['sichuan']}000000"
AMOUNT = 1_000


class Counter(OneRegion):
    """The counter of Guangdong, with a plan of numbers that can be changed."""

    def pay(self, number: str) -> Order:
        request = OrderRequest(
            business="PAY",
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            characteristics={"amount": str(AMOUNT)},
        )
        return self.run(lambda tx: intake.submit(tx, self.orders, _caller("r1"), request, START))

    def cancel(self, order: Order) -> None:
        asked = OrderCommand(order_id=order.id, cancel=OrderCommand.Cancel(reason="changed my mind"))
        self.run(lambda tx: handling.command(tx, self.orders, _caller("r2"), asked, False, START))

    def answer(self, order: Order, kind: EnvelopeKind.ValueType, answer: Answer) -> None:
        """Settles the oldest open envelope of a kind with an answer."""
        sealed = next(each for each in self.run(open_envelopes) if each.content.kind == kind)
        receipt = seal_receipt(sealed, answer, keys().signers["sichuan"], now=START, revision=self.revision)
        command = OrderEnvelopes(self.orders).kinds()[kind]
        assert isinstance(command, Command)
        answered: Callable[..., None] = command.answered

        def settle(tx: Transaction) -> None:
            close_answered(tx, sealed.content.id, receipt, journey=b"", attempts=1, now=START)
            answered(tx, sealed.content, ReceiptContent.FromString(receipt.content), START)

        self.run(settle)

    def tell(self, asked: Asked, results: Mapping[str, str]) -> Asked | None:
        """The region's own system has completed the call."""
        told = Told(True, results=results)
        return self.run(lambda tx: answered(tx, self.orders, asked, told, START))

    def receive(self, sealed: Sealed, now: datetime) -> ReceiptContent:
        """The answer to an envelope about a survey or the status of a customer."""
        status = CustomerStatusEnvelopes(registry(self.context))
        kinds = {**SurveyEnvelopes(self.context).kinds(), **status.kinds()}
        receipt = self.run(lambda tx: receive(tx, self.context.border, kinds, sealed, now))
        return ReceiptContent.FromString(receipt.content)

    def order(self, order: Order) -> Order:
        return self.run(lambda tx: require_order(tx, order.id)).order

    def waiting(self) -> list[EnvelopeContent]:
        return [sealed.content for sealed in self.run(open_envelopes)]

    def balance(self, account: str) -> int:
        return self.run(lambda tx: ledger.balance(tx, account))


@pytest.fixture
def counter() -> Iterator[Counter]:
    border = Border("guangdong", keys().signers["guangdong"], keys().trusted, CurrentFederation())
    made = Counter(
        Disk(first_database("guangdong"), lambda: False, drawn_keys("guangdong", random.Random(1))),
        OrderContext(RegionContext(border), load_rules()),
    )
    yield made
    made.disk.close()


SUBMIT, COMMAND = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT, EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND


def test_an_order_whose_number_moved_to_the_region_that_took_it_in_is_decided_there(counter: Counter) -> None:
    counter.plan(OWN, "sichuan")
    order = counter.pay(OWN)
    assert counter.balance(IN_TRANSIT) == AMOUNT
    counter.plan(OWN, "guangdong")
    counter.answer(order, SUBMIT, _moved("guangdong"))
    assert counter.order(order).state == OrderState.ORDER_STATE_COMPLETED
    assert counter.waiting() == [], "the border has fallen away"
    assert (counter.balance(IN_TRANSIT), counter.balance(CASH)) == (0, -AMOUNT)


def test_an_order_is_held_while_its_number_is_on_its_way_to_the_region_that_took_it_in(counter: Counter) -> None:
    counter.plan(THEIRS, "sichuan")
    order = counter.pay(THEIRS)
    counter.answer(order, SUBMIT, _moved("guangdong"))
    assert counter.order(order).state == OrderState.ORDER_STATE_HELD
    assert counter.balance(IN_TRANSIT) == AMOUNT


def test_an_order_is_held_while_the_customer_of_the_region_that_took_it_in_is_on_the_way(counter: Counter) -> None:
    counter.plan(OWN, "sichuan")
    order = counter.pay(OWN)
    counter.plan(OWN, "guangdong")
    line = counter.run(lambda tx: find_line(tx, OWN))
    assert line is not None
    counter.run(lambda tx: keep_status(tx, line.customer_id, MOVING))
    counter.answer(order, SUBMIT, _moved("guangdong"))
    held = counter.order(order)
    assert (held.state, held.error.reason) == (OrderState.ORDER_STATE_HELD, Reason.REASON_CUSTOMER_MOVING)
    assert held.awaiting.action == "finish the move", "nobody has to extend the plan"
    counter.run(lambda tx: intake.release(tx, counter.orders, order.id, START + timedelta(hours=1)))
    assert counter.order(order) == held, "it does not grow with each new plan"
    assert f"{intake.HELD_TIMER}/{order.id}" in counter.run(lambda tx: tx.all(str, "SELECT timer_id FROM timers"))
    counter.run(lambda tx: keep_status(tx, line.customer_id, ACTIVE))
    counter.run(lambda tx: intake.release(tx, counter.orders, order.id, START))
    assert counter.order(order).state == OrderState.ORDER_STATE_COMPLETED
    assert (counter.balance(IN_TRANSIT), counter.balance(CASH)) == (0, -AMOUNT)


def test_an_order_is_held_while_its_customer_is_still_marked_as_moved_by_an_older_plan(counter: Counter) -> None:
    counter.plan(OWN, "sichuan")
    order, context = counter.pay(OWN), counter.context
    counter.run(lambda tx: mark_moved(tx, [OWN], context.federation, context.region, START))
    counter.plan(OWN, "guangdong")
    counter.answer(order, SUBMIT, _moved("guangdong"))
    assert counter.order(order).state == OrderState.ORDER_STATE_HELD
    counter.run(lambda tx: unmark(tx, context.federation, context.region, START))
    counter.run(lambda tx: intake.release(tx, counter.orders, order.id, START))
    assert counter.order(order).state == OrderState.ORDER_STATE_COMPLETED


def test_an_order_whose_number_comes_back_is_held_and_not_sent_to_a_region_that_has_passed_it_on(
    counter: Counter,
) -> None:
    counter.plan(THEIRS, "sichuan")
    order = counter.pay(THEIRS)
    counter.answer(order, SUBMIT, _moved("henan"))
    counter.answer(order, SUBMIT, _moved("sichuan"))
    assert counter.order(order).state == OrderState.ORDER_STATE_HELD
    counter.run(lambda tx: intake.release(tx, counter.orders, order.id, START))
    assert counter.order(order).state == OrderState.ORDER_STATE_HELD
    assert counter.waiting() == []


def test_a_cancellation_finds_an_order_that_is_held_again(counter: Counter) -> None:
    counter.plan(THEIRS, "sichuan")
    order = counter.pay(THEIRS)
    counter.cancel(order)
    counter.answer(order, SUBMIT, _moved("henan"))
    counter.answer(order, SUBMIT, _moved("sichuan"))
    counter.answer(order, COMMAND, _moved("henan"))
    assert counter.order(order).state == OrderState.ORDER_STATE_CANCELLED
    assert counter.waiting() == []
    assert (counter.balance(IN_TRANSIT), counter.balance(CASH)) == (0, 0), "the payer has the money back"
    request = counter.run(lambda tx: find_request(tx, "counter", "r2"))
    assert request is not None
    assert request.settled


def test_a_cancellation_finds_an_order_that_was_decided_where_it_was_taken_in(counter: Counter) -> None:
    counter.plan(OWN, "sichuan")
    order = counter.pay(OWN)
    counter.cancel(order)
    # The number has moved here, and the plan lags behind.
    counter.run(lambda tx: note_homes(tx, [OWN], "guangdong", "customer-1"))
    counter.answer(order, SUBMIT, _moved("guangdong"))
    counter.answer(order, COMMAND, _moved("guangdong"))
    assert counter.order(order).state == OrderState.ORDER_STATE_COMPLETED
    request = counter.run(lambda tx: find_request(tx, "counter", "r2"))
    assert request is not None
    assert request.refused is not None
    assert request.refused.reason == Reason.REASON_ORDER_TOO_LATE_TO_CANCEL


def test_an_order_awaits_what_it_awaited_after_its_cancellation_has_expired_on_its_way(counter: Counter) -> None:
    counter.plan(THEIRS, "sichuan")
    order = counter.pay(THEIRS)
    counter.cancel(order)
    assert counter.order(order).state == OrderState.ORDER_STATE_ASSESSING_CANCELLATION
    counter.answer(order, COMMAND, Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ENVELOPE_EXPIRED))
    after = counter.order(order)
    assert (after.state, after.awaiting) == (order.state, order.awaiting)


def test_a_submission_that_its_cancellation_overtook_is_refused_and_the_order_stays_cancelled(
    counter: Counter,
) -> None:
    counter.plan(THEIRS, "sichuan")
    order = counter.pay(THEIRS)
    counter.cancel(order)
    tombstone = Order(id=order.id, version=1, state=OrderState.ORDER_STATE_CANCELLED, home_region="sichuan")
    tombstone.origin_region = "guangdong"
    buried = Answer(Outcome.OUTCOME_ACCEPTED, result=tombstone.SerializeToString())
    counter.answer(order, COMMAND, buried)
    counter.answer(order, SUBMIT, Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ORDER_CANCELLED_BEFORE))
    assert counter.order(order).state == OrderState.ORDER_STATE_CANCELLED
    assert counter.balance(IN_TRANSIT) == 0


@pytest.mark.parametrize(
    ("kind", "subject", "told"),
    [
        (
            EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED,
            "survey/sichuan/counter/r1",
            SurveyRequested(
                id="sichuan/counter/r1", occasion=SurveyOccasion.SURVEY_OCCASION_ORDER, number=THEIRS, business="PAY"
            ),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS,
            "status/key-1>guangdong",
            CustomerStatusNotice(numbers=[THEIRS], status=CustomerStatus.CUSTOMER_STATUS_RESTRICTED),
        ),
    ],
)
def test_what_a_region_forgets_after_a_day_it_refuses_for_good_to_an_origin_that_was_cut_off_for_a_week(
    counter: Counter, kind: EnvelopeKind.ValueType, subject: str, told: Message
) -> None:
    counter.plan(THEIRS, "sichuan")
    outgoing = OutgoingEnvelope(
        f"{subject}#1", "guangdong", kind, told.SerializeToString(), subject, "", timedelta(days=30)
    )
    sealed = seal(outgoing, "sichuan", keys().signers["sichuan"], now=START, revision=counter.revision, traceparent="")
    assert counter.receive(sealed, START).outcome == Outcome.OUTCOME_ACCEPTED
    day_after, timer = START + timedelta(days=1), Timer("", FORGET_TIMER, subject, 0)
    counter.run(lambda tx: forget_envelopes(tx, registry(counter.context), timer, day_after))
    answer = counter.receive(sealed, START + timedelta(days=8))
    assert (answer.outcome, answer.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_ENVELOPE_FORGOTTEN)


@pytest.mark.parametrize(("about", "contradictions"), [("survey/sichuan/counter/r1", 0), ("sichuan/counter/r1", 1)])
def test_a_run_finds_a_contradiction_where_an_order_that_was_accepted_is_forgotten(
    about: str, contradictions: int
) -> None:
    first = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED)
    repeat = ReceiptContent(outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ENVELOPE_FORGOTTEN)
    told = {Receipt(content=each.SerializeToString()).SerializeToString() for each in (first, repeat)}
    broken = list[str]()
    wire = SimpleNamespace(
        rows=lambda _: (), errand_of={}, receipts={about: told}, broken=lambda *what: broken.append(what[1])
    )
    answers.check(cast(Evidence, wire))
    assert broken == [about] * contradictions


def test_a_line_has_the_number_that_the_regions_own_system_has_chosen() -> None:
    border = Border("sichuan", keys().signers["sichuan"], keys().trusted, CurrentFederation())
    context = OrderContext(RegionContext(border, provisioned=frozenset({"NEW_LINE"})), load_rules())
    counter = Counter(Disk(first_database("sichuan"), lambda: False, drawn_keys("sichuan", random.Random(1))), context)
    counter.plan(THEIRS, "sichuan")
    request = OrderRequest(
        business="NEW_LINE",
        applicant=Applicant.APPLICANT_HOLDER,
        characteristics={"region": "sichuan", "plan": "sichuan-59", "name": "Somebody"},
        documents=documents(("ID_ORIG", "FACE"), START, "person-1"),
    )
    caller = Caller(operator("sichuan", "counter"), "r1", "")
    order = counter.run(lambda tx: intake.submit(tx, context, caller, request, START))
    agreed = OrderCommand(order_id=order.id, confirm=OrderCommand.Confirm(agreed=True))
    again = Caller(caller.identity, "r2", "")
    counter.run(lambda tx: handling.command(tx, context, again, agreed, False, START))
    (asked,) = counter.run(lambda tx: [ask(tx, context, task, START) for task in due_tasks(tx, START, 1)])
    assert asked is not None
    chosen = f"{PREFIXES['sichuan']}907777"
    for results in ({}, {"number": chosen}, {}):
        asked = counter.tell(asked, results) or asked
    line = counter.disk.read(lambda tx: find_line(tx, chosen))
    told = dict(counter.order(order).results)
    counter.disk.close()
    assert line is not None
    assert told == {"number": chosen, "product_id": line.product_id}


def test_a_node_starts_although_commits_fail_while_it_does() -> None:
    fails = iter([True] * 12)

    async def serves() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        history, wall = History(loop), WallTime(loop, START)
        network = Network(history, random.Random(1))
        carrier = ToCoordinator(network, "henan", Coordinator(history, network, NodeClock(wall), random.Random(2)))
        own = drawn_keys("henan", random.Random(3))
        disk = Disk(first_database("henan"), lambda: next(fails, False), own)
        phones = Phones(random.Random(4))
        ports = RegionPorts(
            history, NodeClock(wall), disk, own, random.Random(5), carrier, phones, network.see, carrier
        )
        region = Region("henan", ports)
        await region.start()
        is_up = region.node is not None
        region.kill()
        disk.close()
        return is_up

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(serves())
    assert next(fails, None) is None, "they did fail"


def _moved(region: str) -> Answer:
    return Answer(Outcome.OUTCOME_MOVED, moved_to=region)


def _caller(request_id: str) -> Caller:
    return Caller(operator("guangdong", "counter"), request_id, "")
