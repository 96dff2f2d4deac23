"""A joint order that ends a line, led by another region: its home asks the customer before it reserves the item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import SupplementJointOrderRequest, WorkOnJointOrderRequest
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.joint import leading, proving, provisioning, rules, saga, working
from region_node.business.orders import home
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.provisioning_rows import Phase
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.orders.rules import ACKNOWLEDGED, VERIFY, enter
from region_node.customers.known_statuses import keep_known
from region_node.customers.status import RESTRICTED
from region_node.customers.verification.rows import key_or
from region_node.customers.verification.rules import OTP, OTP_CONTACT, attest
from region_node.node.context import RegionContext
from region_node.node.unknown_numbers import NumberUnknown, Party
from region_node.requests.caller import Caller
from region_node.requests.dealings import hour_of
from tests.contract.test_joint_lines import HOME, OTHER, give_line, order_of
from tests.contract.test_joint_steps import BUSINESSES, CLERK, LEADER, ROOM, VERIFIED, Course, Federation, a_federation
from tests.simulation.plans import documents
from tests.simulation.world import START as NOW
from tests.simulation.world import operator, staff
from tests.unit.situations import LINE

__all__ = ["a_federation"]
KEY = bytes(range(32))
COOLING_OFF = timedelta(hours=12)  # of the shipped policy
OBJECTED = WorkOnJointOrderRequest(refuse="the holder objects")
WRONG: Mapping[str, Mapping[str, Any]] = {
    "invented": {"key": bytes(32)},
    "of another request": {"name": "submit-99"},
    "of another number": {"number": "+8619851000002"},
}
TOLD = "SELECT COUNT(*) FROM notices WHERE kind = 'order-verify'"


def taken_in(federation: Federation) -> Course:
    """An order of Guangdong's that ends a line of Sichuan."""
    give_line(federation)
    course = order_of(federation)
    course.submit()
    return course


def give(course: Course, region: str = HOME) -> JointItem:
    """The item that ends the line, as a region has it; the home as its own."""
    found = course.own(HOME) if region == HOME else course.order(region).items
    return next(each for each in found if each.id == "give")


def reserve(course: Course) -> None:
    """Staff at home reserve the item without asking anybody."""
    caller, context = Caller(staff(HOME, "li"), f"reserve-{course.order_id[-3:]}", ""), course.federation.context(HOME)
    asked = WorkOnJointOrderRequest(joint_order_id=course.order_id, item_id="give", reserve=ROOM.reserve)
    course.do("reserve", HOME, lambda tx: working.work(tx, context, caller, asked, course.now))
    course.deliver()


def tell(course: Course, order: JointOrder) -> None:
    """The home hears a version of the leading region."""
    context = course.contexts[HOME]
    course.do("update", HOME, lambda tx: working.adopt(tx, context, order, course.now, ""))


def code(
    course: Course, *, key: bytes = KEY, name: str = "", number: str = LINE.number, material: str = OTP
) -> Sequence[Document]:
    """A code that a region has checked for a request about a number; by default for this order."""
    subject = f"{LEADER}/counter/{name or course.order_id.rpartition('/')[2]}"
    return [attest(key, subject, number, material, course.now)]


def supplement(course: Course, documents: Sequence[Document], request_id: str = "proof") -> None:
    """The counter at the leading region hands in a proof."""
    asked = SupplementJointOrderRequest(request_id=request_id, joint_order_id=course.order_id, documents=documents)
    caller, context = Caller(operator(LEADER, "counter"), request_id, ""), course.federation.context(LEADER)
    course.do("supplement", LEADER, lambda tx: leading.supplement(tx, context, caller, asked, course.now))
    course.deliver()


def knows_codes(federation: Federation, region: str = HOME) -> None:
    """The region has checked codes before."""
    Course(federation).read(region, lambda tx: key_or(tx, KEY))


@pytest.mark.clause("10.1(2)")
def test_a_line_is_not_given_away_on_the_word_of_another_region_and_goes_after_the_wait(federation: Federation) -> None:
    course = taken_in(federation)
    for region in (HOME, LEADER):
        waits_until = from_timestamp(give(course, region).verify_until_time)
        assert waits_until == NOW + COOLING_OFF, region
    assert course.read(HOME, lambda tx: tx.first(int, TOLD)) == 1, "the customer is told once"
    with pytest.raises(Refused) as refused:
        reserve(course)
    assert refused.value.reason == Reason.REASON_JOINT_ITEM_UNPROVEN
    assert provisioning.phase_of(give(course)) == Phase.IDLE, "nor is the region's own system asked"
    course.pass_time(NOW + COOLING_OFF - timedelta(minutes=1), HOME)
    assert give(course).HasField("verify_until_time")
    course.pass_time(NOW + COOLING_OFF, HOME)
    course.deliver()
    for region in (HOME, LEADER):
        assert not give(course, region).HasField("verify_until_time"), region
    assert provisioning.phase_of(give(course)) == Phase.CHECK
    course.work(ROOM, "give", "take")
    course.finish()
    assert course.order(OTHER).state == saga.COMPLETED


def test_a_code_to_another_contact_gives_no_line_to_another_holder(federation: Federation) -> None:
    course = taken_in(federation)
    knows_codes(federation)
    supplement(course, code(course, material=OTP_CONTACT))
    for region in (HOME, LEADER):
        item = give(course, region)
        told = (item.error.reason, item.HasField("verify_until_time"))
        assert told == (Reason.REASON_PROOF_WAY_NOT_TAKEN, True), region


def test_with_a_code_for_this_very_order_it_goes_on_at_once(federation: Federation) -> None:
    course = taken_in(federation)
    knows_codes(federation)
    for number, wrong in enumerate(
        (
            code(course, key=bytes(32)),
            code(course, name="J20260328-99"),
            code(course, number="+8619851000002"),
        )
    ):
        supplement(course, wrong, f"wrong-{number}")
        for region in (HOME, LEADER):
            item = give(course, region)
            assert (item.error.reason, item.HasField("verify_until_time")) == (Reason.REASON_NOT_VERIFIED, True), region
    supplement(course, code(course))
    for region in (HOME, LEADER):
        item = give(course, region)
        assert not item.HasField("verify_until_time"), region
        assert not item.HasField("error"), region
    with pytest.raises(Refused) as refused:
        supplement(course, code(course), "once-more")
    assert refused.value.reason == Reason.REASON_JOINT_ITEM_STATE_FORBIDS, "nothing waits for a proof"
    reserve(course)
    assert give(course).state == rules.RESERVED


def test_with_a_code_that_comes_with_the_order_nobody_waits_and_nobody_is_told(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    course.submit(code=code(course, name=course.request_id))
    for region in (HOME, LEADER):
        item = give(course, region)
        assert (item.HasField("verify_until_time"), item.HasField("error")) == (False, False), region
    assert course.read(HOME, lambda tx: tx.first(int, TOLD)) == 0
    reserve(course)
    assert give(course).state == rules.RESERVED


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_code_that_comes_with_the_order_leaves_it_waiting_until_a_right_one(
    federation: Federation, case: str
) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    course.submit(code=code(course, **{"name": course.request_id, **WRONG[case]}))
    for region in (HOME, LEADER):
        item = give(course, region)
        assert (item.error.reason, item.HasField("verify_until_time")) == (Reason.REASON_NOT_VERIFIED, True), region
    assert course.read(HOME, lambda tx: tx.first(int, TOLD)) == 1
    supplement(course, code(course))
    assert not give(course, LEADER).HasField("verify_until_time")
    assert not give(course, LEADER).HasField("error")


def test_a_code_that_comes_late_with_its_order_leaves_it_waiting(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    course.is_held_back = lambda content: content.destination == HOME
    course.submit(code=code(course, name=course.request_id))
    course.now += timedelta(days=2)
    course.is_held_back = lambda content: False
    course.deliver()
    item = give(course)
    assert (item.error.reason, item.HasField("verify_until_time")) == (Reason.REASON_DOCUMENT_STALE, True)


@dataclass
class Lied(Course):
    """An order whose leading region says that it was submitted by another request id, or, as older ones do, by none."""

    told: str = ""

    def _carry(self, origin: str, content: EnvelopeContent) -> None:
        if content.kind == EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND:
            command = JointCommand.FromString(content.payload)
            command.order.request_id = self.told
            content.payload = command.SerializeToString()
        super()._carry(origin, content)


def test_one_code_proves_one_order_whatever_its_leading_region_says(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    first = order_of(federation)
    shown = code(first, name=first.request_id)
    first.submit(code=shown)
    first.cancel()
    first.deliver()
    for request_id in (first.request_id, ""):
        again = Lied(federation, business="TRANSFER", now=NOW, told=request_id)
        again.submit(code=shown)
        assert give(again).HasField("verify_until_time"), request_id or "as of an older version"
        with pytest.raises(Refused) as refused:
            reserve(again)
        assert refused.value.reason == Reason.REASON_JOINT_ITEM_UNPROVEN


def test_a_code_that_was_handed_in_for_an_order_comes_with_no_other_one(federation: Federation) -> None:
    first = taken_in(federation)
    knows_codes(federation)
    shown = code(first)
    supplement(first, shown)
    assert not give(first).HasField("verify_until_time")
    first.cancel()
    first.deliver()
    again = Lied(federation, business="TRANSFER", now=NOW, told=first.order_id.rpartition("/")[2])
    again.submit(code=shown)
    assert unproven(give(again))


def test_a_code_that_came_with_an_order_is_handed_in_for_no_other_one(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    told = f"J{NOW:%Y%m%d}-2"
    first = Lied(federation, business="TRANSFER", now=NOW, told=told)
    shown = code(first, name=told)
    first.submit(code=shown)
    assert not give(first).HasField("verify_until_time")
    first.cancel()
    first.deliver()
    again = order_of(federation)
    again.submit()
    assert again.order_id.endswith(f"/{told}")
    supplement(again, shown)
    assert unproven(give(again))


def test_the_code_of_an_order_of_one_customer_proves_no_joint_order(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    for name in (course.request_id, f"J{NOW:%Y%m%d}-1"):
        order = Order(id=f"{LEADER}/counter/{name}", origin_region=LEADER, home_region=HOME, operator="counter")
        course.do("take in", HOME, partial(insert_order, row=OrderRow(order, ""), now=NOW))
    course.submit(code=code(course, name=course.request_id))
    assert unproven(give(course))
    supplement(course, code(course))
    assert unproven(give(course))


def test_the_code_of_a_joint_order_proves_no_order_of_one_customer(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    context = OrderContext(federation.context(HOME), load_rules(), is_shown=proving.is_shown)
    fresh = reset(course, "another-request")
    course.do("take in", HOME, lambda tx: home.decide(tx, context, fresh, NOW))
    assert fresh.awaiting.action != VERIFY, "with a code of its own"
    course.submit(code=code(course, name=course.request_id))
    course.cancel()
    course.deliver()
    for name in (course.request_id, course.order_id.rpartition("/")[2]):
        order = reset(course, name)
        course.do("take in", HOME, partial(home.decide, context=context, order=order, now=NOW))
        assert order.awaiting.action == VERIFY
        course.do("store", HOME, partial(insert_order, row=OrderRow(order, ""), now=NOW))
        again = OrderCommand.Supplement(documents=code(course, name=name))
        command = OrderCommand(order_id=order.id, supplement=again, requester=CLERK)
        with pytest.raises(Refused) as refused:
            course.do("supplement", HOME, partial(home.apply_command, context=context, command=command, now=NOW))
        assert refused.value.reason == Reason.REASON_NOT_VERIFIED


def reset(course: Course, name: str) -> Order:
    """An order of Guangdong's for a new password of the line, with a code that was checked for a request id."""
    request = OrderRequest(
        business="PWD_RESET",
        number=LINE.number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[*documents(("ID_ORIG", "FACE"), NOW, ""), *code(course, name=name)],
        requester=CLERK,
    )
    order = Order(id=f"{LEADER}/counter/{name}", request=request, origin_region=LEADER, operator="counter")
    order.create_time.CopyFrom(to_timestamp(NOW))
    order.expected_completion_time.CopyFrom(to_timestamp(NOW + timedelta(days=1)))
    enter(order, ACKNOWLEDGED, now=NOW, region=LEADER, reason="taken in")
    return order


def test_a_code_proves_one_order_of_a_restricted_customer_too(federation: Federation) -> None:
    give_line(federation)
    knows_codes(federation)
    first = order_of(federation)
    shown = code(first, name=first.request_id)
    first.submit(code=shown)
    first.cancel()
    first.deliver()
    first.do("restrict", HOME, lambda tx: keep_known(tx, LINE.number, OTHER, RESTRICTED))
    again = Lied(federation, business="TRANSFER", now=NOW, told=first.request_id)
    again.submit(code=shown)
    assert unproven(give(again))


def unproven(item: JointItem) -> bool:
    """Whether an item waits for a proof, since the one that was shown does not hold."""
    return item.HasField("verify_until_time") and item.error.reason == Reason.REASON_NOT_VERIFIED


def name_unknown_numbers(course: Course) -> RegionContext:
    """The dealer of the order names more unknown numbers at the home than it may; returns the context of the home."""
    home = course.contexts[HOME]
    most = home.figure("unknown-numbers-of-operator", LEADER)
    assert most is not None
    unknown = NumberUnknown(Party(LEADER, "counter", CLERK.staff_id), hour_of(course.now))
    for _ in range(most + 1):
        home.unknown_numbers.note(unknown)
    return home


def test_the_code_of_an_order_passes_the_bound_of_unknown_numbers_and_an_invented_one_does_not(
    federation: Federation,
) -> None:
    give_line(federation)
    knows_codes(federation)
    course = order_of(federation)
    home = name_unknown_numbers(course)
    for key, reason in ((bytes(32), Reason.REASON_NOT_VERIFIED), (None, Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY)):
        refused = order_of(federation)
        refused.contexts[HOME] = home
        shown = () if key is None else code(refused, key=key, name=refused.request_id)
        with pytest.raises(Refused) as raised:
            refused.submit(code=shown)
        assert raised.value.reason == reason
    course.submit(code=code(course, name=course.request_id))
    assert not give(course).HasField("verify_until_time")


def test_a_home_refuses_a_wrong_code_at_its_own_counter_as_for_an_order_of_one_customer(federation: Federation) -> None:
    course, number = order_of(federation), "+8619844000001"
    for region in (LEADER, HOME):
        knows_codes(federation, region)
    give_line(federation)
    with pytest.raises(Refused) as refused:
        course.submit(number, (LEADER, OTHER), code(course, key=bytes(32), name=course.request_id, number=number))
    assert refused.value.reason == Reason.REASON_NOT_VERIFIED
    with pytest.raises(Refused) as refused:
        course.submit(number, (LEADER, OTHER), code(course, name=course.request_id, number=number))
    assert refused.value.reason == Reason.REASON_PROOF_NOT_OF_NUMBER, "the code holds"


def test_an_old_code_proves_nothing(federation: Federation) -> None:
    course = taken_in(federation)
    knows_codes(federation)
    recent = code(course)
    course.now += COOLING_OFF - timedelta(minutes=1)
    supplement(course, recent)
    assert not give(course).HasField("verify_until_time"), "a code of today counts"
    course = order_of(federation)
    course.submit()
    course.now -= timedelta(days=2)
    old = code(course)
    course.now += timedelta(days=2)
    supplement(course, old, "old")
    assert give(course).error.reason == Reason.REASON_DOCUMENT_STALE
    assert give(course).HasField("verify_until_time")


def test_staff_of_the_home_region_speak_for_the_customer(federation: Federation) -> None:
    course = taken_in(federation)
    course.work(VERIFIED, "give")
    assert not give(course, LEADER).HasField("verify_until_time")
    with pytest.raises(Refused) as refused:
        course.work(WorkOnJointOrderRequest(request_id="twice", verify=VERIFIED.verify), "give")
    assert refused.value.reason == Reason.REASON_JOINT_ITEM_STATE_FORBIDS
    objected = order_of(federation)
    objected.submit()
    objected.work(OBJECTED, "give")
    assert (objected.order().state, give(objected, LEADER).error.reason) == (
        saga.FAILED,
        Reason.REASON_JOINT_SURVEY_REFUSED,
    )
    left = objected.read(HOME, lambda tx: tx.first(int, "SELECT COUNT(*) FROM timers WHERE kind = 'joint-verify'"))
    assert left == 0


def test_a_leading_region_at_home_asks_nobody(federation: Federation) -> None:
    give_line(federation)
    course, context = order_of(federation), federation.context(HOME)
    papers, values = BUSINESSES["TRANSFER"]
    request = OrderRequest(
        business="TRANSFER",
        number=LINE.number,
        applicant=Applicant.APPLICANT_ENTERPRISE,
        documents=documents(papers, NOW, ""),
        characteristics=values,
        requester=CLERK,
    )
    places = [JointPlace(region=region, address="1 Main Street") for region in (HOME, OTHER)]
    caller = Caller(operator(HOME, "counter"), "at-home", "")
    order = course.do("submit", HOME, lambda tx: leading.submit(tx, context, caller, request, places, NOW))
    assert isinstance(order, JointOrder)
    assert order.items[1].state == rules.SURVEYING
    assert not any(each.HasField("verify_until_time") for each in order.items)


@pytest.mark.parametrize("decision", [saga.COMMIT, 0])
def test_no_leading_region_talks_a_home_out_of_the_question_by_a_loss_that_it_invents(
    federation: Federation, decision: int
) -> None:
    course = taken_in(federation)
    told = course.order()
    item = next(each for each in told.items if each.id == "give")
    item.ClearField("verify_until_time")
    item.decision = decision  # type: ignore[assignment]
    item.version += 7
    told.version += 1
    tell(course, told)
    own = give(course)
    assert own.HasField("verify_until_time"), "the home believes its own records"
    with pytest.raises(Refused) as refused:
        reserve(course)
    assert refused.value.reason == Reason.REASON_JOINT_ITEM_UNPROVEN


def test_a_home_that_has_lost_its_question_asks_again(federation: Federation) -> None:
    give_line(federation)
    before = federation.image(HOME)
    course = order_of(federation)
    course.submit()
    federation.restore(HOME, before)
    tell(course, course.order())
    assert give(course).HasField("verify_until_time")
    assert course.read(HOME, lambda tx: tx.first(int, TOLD)) == 1


@pytest.mark.parametrize(("is_beyond", "has_code"), [(False, False), (True, False), (True, True)])
def test_an_item_that_a_home_has_lost_comes_back_and_beyond_the_bound_of_its_dealer_nobody_looks_at_its_papers(
    federation: Federation, is_beyond: bool, has_code: bool
) -> None:
    give_line(federation)
    before = federation.image(HOME)
    course = order_of(federation)
    course.submit(code=code(course, key=bytes(32), name=course.request_id) if has_code else ())
    federation.restore(HOME, before)
    if is_beyond:
        name_unknown_numbers(course)
    tell(course, course.order())
    assert (give(course).state, give(course).papers_checked) == (rules.SURVEYING, not is_beyond)
