"""Orders that a home region has lost are decided again as they were: reviewed, waiting and counted as before."""

from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.relay.border import Command, DoneOtherwise
from gateway.relay.envelopes import Answer
from gateway.security.identity import Identity
from gateway.store import catch_ups, losses, vault
from gateway.store.catch_ups import CatchUp
from gateway.store.losses import Loss
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.orders import home, intake, rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.exposure_rows import ALL, total
from region_node.business.orders.kind import ORDERS
from region_node.business.orders.provisioning_answers import ask
from region_node.business.orders.provisioning_rows import LEASE, add_task, due_tasks
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.business.orders.rows import OrderRow, find_order, insert_order, require_order
from region_node.business.orders.steps import ANSWER_TIMER, STEP_TIMER
from region_node.node.context import RegionContext
from region_node.node.subjects import order_subject
from tests.unit.billing_scene import Books, books
from tests.unit.situations import FEDERATION, LINE, NOW
from tests.unit.test_exposure import DAY, OF_REGION, RULES, SINGLE, decided, request_of, sichuan

ORIGIN = "guangdong"
START = NOW + DAY
ACCEPTED = START + timedelta(hours=6)
SUBMIT, COMMAND = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT, EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND
LOSS = Loss(1, 1, "coordinator", 1, 9, 0, 10_009, to_microseconds(ACCEPTED), "staff", "INC-1", 1)


def content(kind: EnvelopeKind.ValueType, name: str, payload: bytes) -> EnvelopeContent:
    """A command of Guangdong's."""
    found = EnvelopeContent(id=f"{name}#{kind}", kind=kind, origin=ORIGIN, destination="sichuan", subject=name)
    found.operator, found.payload = "app", payload
    found.create_time.CopyFrom(to_timestamp(NOW))
    return found


def submission(name: str, request: OrderRequest) -> EnvelopeContent:
    """Guangdong hands in an order."""
    order = Order(id=f"{ORIGIN}/{name}", request=request, origin_region=ORIGIN, operator="app")
    order.create_time.CopyFrom(to_timestamp(NOW))
    order.expected_completion_time.CopyFrom(to_timestamp(START))
    rules.enter(order, rules.ACKNOWLEDGED, now=NOW, region=ORIGIN, reason="taken in")
    return content(SUBMIT, order.id, OrderSubmission(order=order).SerializeToString())


def first(tx: Transaction, context: OrderContext, sent: EnvelopeContent, now: datetime = NOW) -> Answer:
    """The answer of before the loss."""
    command = OrderEnvelopes(context).kinds()[sent.kind]
    assert isinstance(command, Command)
    return command.act(tx, sent, now)


def again(tx: Transaction, context: OrderContext, sent: EnvelopeContent, answer: Answer, now: datetime) -> Order:
    """The order, after a command was done again."""
    command = OrderEnvelopes(context).kinds()[sent.kind]
    assert isinstance(command, Command)
    assert command.act_again is not None
    receipt = ReceiptContent(outcome=answer.outcome, result=answer.result)
    assert command.act_again(tx, sent, receipt, now).outcome == Outcome.OUTCOME_ACCEPTED
    return require_order(tx, sent.subject).order


def test_an_order_is_reviewed_again_where_it_was_and_counts_for_the_day_on_which_it_was_decided() -> None:
    sent = [submission(f"app/{each}", request_of(SINGLE)) for each in range(3)]
    with sichuan() as (tx, context):
        answers = [first(tx, context, each) for each in sent]
        states = [Order.FromString(each.result).state for each in answers]
        assert states == [rules.COMPLETED, rules.COMPLETED, rules.IN_PROGRESS], "the third is beyond a limit"
    with sichuan() as (tx, context):
        reviewed = again(tx, context, sent[2], answers[2], NOW + DAY)
        assert (reviewed.awaiting.action, reviewed.error) == ("review", Order.FromString(answers[2].result).error)
        assert list(reviewed.steps) == [Step.STEP_REVIEW, Step.STEP_FULFIL]
        for each in range(OF_REGION // SINGLE):  # nothing more passes without a review today
            decided(tx, context, f"{each}/new", SINGLE, NOW + DAY)
        for number in range(2):
            assert again(tx, context, sent[number], answers[number], NOW + DAY).state == rules.COMPLETED
        days = [(NOW + each * DAY).date() for each in range(2)]
        assert [total(tx, each, ORIGIN, ALL) for each in days] == [2 * SINGLE, OF_REGION]
        assert tx.first(int, "SELECT COUNT(*) FROM outbox") == 0, "the origin has the version of then"


def test_an_order_that_was_told_as_ended_and_would_not_end_so_is_left_to_people() -> None:
    sent = submission("app/1", request_of(SINGLE))
    with sichuan() as (tx, context):
        answer = first(tx, context, sent)
    with sichuan() as (tx, context):
        node = RegionContext(context.node.border, provisioned=frozenset({"PAY"}))
        with pytest.raises(DoneOtherwise):
            again(tx, OrderContext(node, RULES), sent, answer, NOW + DAY)


def suspension() -> EnvelopeContent:
    """An order whose agreed time is a day later."""
    paper = Document(code="ID_ORIG", verifier="clerk-7", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    request = OrderRequest(business="SUSPEND", number=LINE.number, applicant=Applicant.APPLICANT_HOLDER)
    request.documents.append(paper)
    request.characteristics.update(reason="a journey", start=START.isoformat())
    return submission("app/1", request)


def test_an_order_is_quoted_again_as_the_customer_was_told() -> None:
    paper = Document(code="ID_ORIG", verifier="clerk-7", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    request = OrderRequest(business="PLAN_CHANGE", number=LINE.number, applicant=Applicant.APPLICANT_HOLDER)
    request.documents.append(paper)
    request.characteristics.update(plan="sichuan-99")
    sent = submission("app/1", request)
    with books(NOW) as kept:
        kept.open(LINE)
        answer = first(kept.tx, kept.orders, sent)
    told = Order.FromString(answer.result)
    assert told.awaiting.action == "confirm"
    with books(NOW) as kept:
        put_back(kept)
        quoted = again(kept.tx, kept.orders, sent, answer, NOW + 40 * DAY)
        assert (quoted.awaiting.action, quoted.quote) == ("confirm", told.quote)


def put_back(kept: Books) -> None:
    """An older database, whose loss is accepted: Guangdong has yet to tell what it lacks."""
    kept.open(LINE)
    kept.context.border.current.update(FEDERATION, [Member(region=ORIGIN, state=MemberState.MEMBER_STATE_JOINED)])
    losses.keep(kept.tx, LOSS)


def test_an_order_whose_time_has_passed_waits_for_the_cancellation_that_was_lost_with_it() -> None:
    sent = suspension()
    cancel = OrderCommand(order_id=sent.subject, cancel=OrderCommand.Cancel(reason="stays at home"))
    cancelled = content(COMMAND, sent.subject, cancel.SerializeToString())
    with books(NOW) as kept:
        kept.open(LINE)
        answers = [first(kept.tx, kept.orders, each) for each in (sent, cancelled)]
    timer = Timer(f"{STEP_TIMER}/{sent.subject}", STEP_TIMER, sent.subject, to_microseconds(START))
    for is_cancelled in (True, False):
        with books(NOW) as kept:
            put_back(kept)
            waiting = again(kept.tx, kept.orders, sent, answers[0], ACCEPTED)
            assert (waiting.awaiting.action, waiting.awaiting.due_time) == ("agreed-time", to_timestamp(START))
            assert kept.rows("SELECT due_time FROM timers WHERE kind = 'order-step'") == [(to_microseconds(START),)]
            with pytest.raises(Refused) as refused:
                home.step_is_due(kept.tx, kept.orders, timer, ACCEPTED)
            assert refused.value.reason == Reason.REASON_CATCHING_UP
            if is_cancelled:
                assert again(kept.tx, kept.orders, cancelled, answers[1], ACCEPTED).state == rules.CANCELLED
                assert kept.rows("SELECT due_time FROM timers WHERE kind = 'order-step'") == []
            else:
                catch_ups.keep(kept.tx, CatchUp(1, ORIGIN, finish_time=7))
                home.step_is_due(kept.tx, kept.orders, timer, ACCEPTED)
                assert require_order(kept.tx, sent.subject).order.state == rules.COMPLETED


def test_staff_decide_on_no_order_that_its_origin_may_have_cancelled() -> None:
    with books(NOW) as kept:
        put_back(kept)
        order = Order(id=f"{ORIGIN}/app/1", version=1, origin_region=ORIGIN, home_region="sichuan")
        order.request.business, order.state = "PLAN_CHANGE", rules.IN_PROGRESS
        rules.wait_for(order, Party.PARTY_HOME_STAFF, "review", now=NOW, due=NOW)
        insert_order(kept.tx, OrderRow(order, ""), NOW)
        reviewer = Identity("demo.example", Role.ROLE_STAFF, "sichuan", "reviewer-1")

        def rejected() -> Order:
            no = ReviewDecision.REVIEW_DECISION_REJECT
            return home.review(kept.tx, kept.orders, order.id, reviewer, no, (), "no", ACCEPTED)

        with pytest.raises(Refused) as refused:
            rejected()
        assert refused.value.reason == Reason.REASON_CATCHING_UP
        assert require_order(kept.tx, order.id).order == order
        catch_ups.keep(kept.tx, CatchUp(1, ORIGIN, finish_time=7))
        assert rejected().state == rules.FAILED


def test_the_own_system_is_not_called_for_an_order_that_its_origin_may_have_cancelled() -> None:
    with books(NOW) as kept:
        put_back(kept)
        order = Order(id=f"{ORIGIN}/app/1", version=1, origin_region=ORIGIN, home_region="sichuan")
        order.state, order.product_id = rules.IN_PROGRESS, LINE.product_id
        insert_order(kept.tx, OrderRow(order, ""), NOW)
        add_task(kept.tx, order.id, ACCEPTED)
        (task,) = due_tasks(kept.tx, ACCEPTED, 9)
        assert ask(kept.tx, kept.orders, task, ACCEPTED) is None
        assert due_tasks(kept.tx, ACCEPTED, 9) == [], "other work is not kept from its turn"
        (task,) = due_tasks(kept.tx, ACCEPTED + LEASE, 9)
        catch_ups.keep(kept.tx, CatchUp(1, ORIGIN, finish_time=7))
        asked = ask(kept.tx, kept.orders, task, ACCEPTED + LEASE)
        assert asked is not None
        assert asked.work.order_id == order.id


def test_nothing_goes_on_with_an_open_order_of_an_older_database_whose_customer_was_erased_since() -> None:
    with books(NOW) as kept:
        order = Order(id=f"{ORIGIN}/app/1", version=1, origin_region=ORIGIN, home_region="sichuan")
        order.request.business, order.state = "PLAN_CHANGE", rules.IN_PROGRESS
        insert_order(kept.tx, OrderRow(order, ""), NOW)
        add_task(kept.tx, order.id, NOW)
        add_task(kept.tx, f"{ORIGIN}/app/2", NOW)
        vault.destroy(kept.tx, [order_subject(order.id)])
        ORDERS.erasure.forget["envelope"](kept.tx, order.id)
        assert [each.order_id for each in due_tasks(kept.tx, NOW, 9)] == [f"{ORIGIN}/app/2"]
        timer = Timer("t", STEP_TIMER, order.id, to_microseconds(NOW))
        for handle in (home.step_is_due, home.answer_is_overdue, intake.hold_is_over):
            handle(kept.tx, kept.orders, timer, NOW)
        assert find_order(kept.tx, order.id) is None
        assert kept.rows("SELECT COUNT(*) FROM outbox") == [(0,)]


def test_an_order_is_not_cancelled_for_want_of_an_answer_that_its_origin_may_still_tell() -> None:
    with books(NOW) as kept:
        put_back(kept)
        order = Order(id=f"{ORIGIN}/app/1", version=1, origin_region=ORIGIN, home_region="sichuan")
        order.request.business, order.state = "PLAN_CHANGE", rules.PENDING
        insert_order(kept.tx, OrderRow(order, ""), NOW)
        with pytest.raises(Refused) as refused:
            home.answer_is_overdue(kept.tx, kept.orders, Timer("t", ANSWER_TIMER, order.id, 0), ACCEPTED)
        assert refused.value.reason == Reason.REASON_CATCHING_UP
        assert require_order(kept.tx, order.id).order == order
