"""A joint order that ends a line: its home checks and promises the line, and ends it once, on both engines."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind, LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, reason_name
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.joint import items, rules, saga
from region_node.business.joint.rows import forget_items
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, REFUNDS_DUE, EntryKind, transfer
from region_node.customers.documents.rows import DocumentRow, insert_document, withdraw_document
from region_node.customers.documents.rules import attested
from region_node.customers.moved_numbers import note_homes
from region_node.customers.operations import keep_line
from region_node.customers.rows import CustomerRow, Line, find_line, insert_customer, insert_line
from region_node.customers.status import MOVED, MOVING, RESTRICTED, keep_status
from region_node.node.subjects import customer_subject
from region_node.node.unknown_numbers import NumberUnknown, Party
from region_node.requests.dealings import hour_of
from tests.contract.test_joint_steps import LEADER, MORE_ROOM, ROOM, Course, Federation, a_federation
from tests.simulation.world import START as NOW
from tests.unit.situations import LINE

__all__ = ["a_federation"]
HOME, OTHER = "sichuan", "henan"
BALANCE = 30_000  # minor units
CONFIGURE = JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
Change = Callable[[Transaction, Line], object]


def line_of(course: Course) -> Line:
    """The line at its home."""
    found = course.read(HOME, lambda tx: find_line(tx, LINE.number))
    assert isinstance(found, Line)
    return found


def order_of(federation: Federation, business: str = "TRANSFER") -> Course:
    """An order of a business, in time for its line, which is not submitted yet."""
    return Course(federation, business=business, now=NOW)


def give_line(federation: Federation, balance: int = BALANCE) -> None:
    """A customer of Sichuan with a line."""

    def create(tx: Transaction) -> None:
        insert_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(tx, replace(LINE, start_time=NOW - timedelta(days=400), kind=LineKind.LINE_KIND_BROADBAND))
        _credit(tx, balance)

    Course(federation).read(HOME, create)


def on_file(course: Course, customer_id: str, code: str = "BIZ_LIC", region: str = HOME) -> Document:
    """A paper of a customer that is on file at a region, the home of the line by default, as an order names it."""
    row = DocumentRow(
        document_id=f"{region}/counter/{customer_id}",
        customer_id=customer_id,
        code=code,
        region=region,
        verifier="clerk",
        verify_time=to_microseconds(NOW),
        expire_time=None,
        withdraw_time=None,
        media_type="image/png",
        size=1,
        content_hash="00" * 32,
        identity_hash="",
        register_time=to_microseconds(NOW),
    )
    course.read(region, lambda tx: insert_document(tx, row))
    return attested(row.message())


def elsewhere(document: Document) -> Document:
    """A paper as another one, on file under an id that the home of the line does not know."""
    found = Document()
    found.CopyFrom(document)
    found.document_id = f"{OTHER}/counter/none"
    return found


def _credit(tx: Transaction, amount: int) -> None:
    debit, credit = (OPENING, LINE.account_id) if amount > 0 else (LINE.account_id, OPENING)
    posting = transfer(f"opening-{amount}", EntryKind.OPENING, abs(amount), debit=debit, credit=credit)
    ledger.post(tx, posting, "CNY", NOW)


def _owes(tx: Transaction, line: Line) -> None:
    _credit(tx, -BALANCE - 1)


def _changed(**values: object) -> Change:
    return lambda tx, line: keep_line(tx, replace(line, **values), NOW)  # type: ignore[arg-type]


def _has_moved(tx: Transaction, line: Line) -> None:
    keep_status(tx, line.customer_id, MOVED)
    note_homes(tx, [line.number], OTHER, line.customer_id)


SUSPENDED = _changed(
    status=ProductStatus.PRODUCT_STATUS_SUSPENDED, suspension_kind=SuspensionKind.SUSPENSION_KIND_REQUESTED
)
REFUSALS: Mapping[str, tuple[Change, Reason.ValueType]] = {
    "owes": (_owes, Reason.REASON_IN_ARREARS),
    "has a contract": (_changed(contract_end=NOW + timedelta(days=1)), Reason.REASON_UNDER_CONTRACT),
    "is bound": (_changed(binding="family-4"), Reason.REASON_LINE_BOUND),
    "is suspended": (SUSPENDED, Reason.REASON_LINE_NOT_ACTIVE),
    "is terminated": (_changed(status=TERMINATED), Reason.REASON_LINE_CLOSED),
    "is promised": (_changed(promised_to="henan/J20300601-7"), Reason.REASON_LINE_PROMISED),
    "has a new SIM card": (_changed(sim_replaced=NOW - timedelta(hours=71)), Reason.REASON_SIM_TOO_NEW),
    "is restricted": (
        lambda tx, line: keep_status(tx, line.customer_id, RESTRICTED),
        Reason.REASON_CUSTOMER_RESTRICTED,
    ),
    "has moved": (_has_moved, Reason.REASON_CUSTOMER_MOVED),
    "is erased": (
        lambda tx, line: vault.destroy(tx, [customer_subject(line.customer_id)]),
        Reason.REASON_PROOF_NOT_OF_NUMBER,
    ),
}


@pytest.mark.clause("10.1(2)")
@pytest.mark.parametrize("case", REFUSALS)
def test_a_line_that_its_home_does_not_let_go_fails_the_order_for_all(federation: Federation, case: str) -> None:
    change, reason = REFUSALS[case]
    give_line(federation)
    course = order_of(federation)
    course.read(HOME, lambda tx: change(tx, LINE))
    course.submit()
    for region in (LEADER, HOME, OTHER):
        order = course.order(region)
        assert (order.state, _item(order, "give").error.reason) == (saga.FAILED, reason), region
        assert _item(order, "take").state == rules.RELEASED


def test_nobodys_line_and_a_line_of_another_place_are_refused(federation: Federation) -> None:
    found = []
    for number, regions in (
        ("", (HOME, OTHER)),
        ("+8619899000001", (HOME, OTHER)),
        (LINE.number, (OTHER, HOME)),
        ("+8619844000001", (LEADER, OTHER)),
    ):
        with pytest.raises(Refused) as refused:
            order_of(federation).submit(number, regions)
        found.append(reason_name(refused.value.reason))
    assert found == ["NUMBER_INVALID", "NUMBER_UNRESOLVED", "JOINT_LINE_ELSEWHERE", "PROOF_NOT_OF_NUMBER"]
    course = order_of(federation)
    course.submit()
    assert _item(course.order(), "give").error.reason == Reason.REASON_PROOF_NOT_OF_NUMBER


def test_a_paper_of_the_holder_on_file_counts_for_its_customer_alone_and_stops_nothing_once_it_has_counted(
    federation: Federation,
) -> None:
    give_line(federation)
    course, other, invented = (order_of(federation, "BB_MOVE") for _ in range(3))
    own, foreign = on_file(course, LINE.customer_id), on_file(course, "somebody-else")
    course.submit(code=[own])
    course.read(HOME, lambda tx: tx.execute("UPDATE documents SET withdraw_time = verify_time"))
    course.work(ROOM, "remove")
    assert _item(course.order(), "remove").state == rules.RESERVED
    other.submit(code=[foreign])
    invented.submit(code=[elsewhere(own)])
    for each in (other, invented):
        assert _item(each.order(), "remove").error.reason == Reason.REASON_PROOF_NOT_OF_NUMBER


def test_a_paper_of_the_new_place_that_the_old_home_does_not_have_on_file_stops_no_order(
    federation: Federation,
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[elsewhere(on_file(course, "somebody-else", "ADDR"))])
    course.work(ROOM, "install", "remove")
    assert _item(course.order(), "remove").state == rules.COMMITTED


def test_at_its_own_node_too_an_operator_system_that_names_many_unknown_numbers_is_told_nothing_more(
    federation: Federation,
) -> None:
    course = order_of(federation)
    context = course.contexts[LEADER]
    most = context.figure("unknown-numbers-of-operator", LEADER)
    assert most is not None
    for number in ("+8619844000001", "+8619844000002"):
        with pytest.raises(Refused) as refused:
            course.submit(number, (LEADER, OTHER))
        assert refused.value.reason == Reason.REASON_PROOF_NOT_OF_NUMBER
    unknown = NumberUnknown(Party(LEADER, "counter", "clerk-7"), hour_of(course.now))
    for _ in range(most + 1):
        context.unknown_numbers.note(unknown)
    with pytest.raises(Refused) as refused:
        course.submit("+8619844000001", (LEADER, OTHER))
    assert refused.value.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY


def test_a_customer_on_the_way_to_another_home_is_asked_about_again(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation)
    course.read(HOME, lambda tx: keep_status(tx, LINE.customer_id, MOVING))
    with pytest.raises(Refused) as refused:
        course.submit()
    assert refused.value.reason == Reason.REASON_CUSTOMER_MOVING, "the lane repeats it"


def test_a_line_that_changed_during_the_survey_is_refused_as_it_is_to_be_reserved(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation)
    course.submit()
    course.work(ROOM, "take")
    course.read(HOME, lambda tx: _owes(tx, LINE))
    course.work(ROOM, "give")
    order = course.order()
    assert (order.state, _item(order, "give").error.reason) == (saga.FAILED, Reason.REASON_IN_ARREARS)
    assert line_of(course).promised_to == ""


def test_a_reserved_line_is_promised_to_one_order_until_that_gives_it_up(federation: Federation) -> None:
    give_line(federation)
    first, second, third = (order_of(federation) for _ in range(3))
    first.submit()
    second.submit()
    assert line_of(first).promised_to == "", "a survey alone holds nothing"
    first.work(ROOM, "give")
    assert line_of(first).promised_to == first.order_id
    second.work(ROOM, "give")
    assert _item(second.order(), "give").error.reason == Reason.REASON_LINE_PROMISED
    assert line_of(first).promised_to == first.order_id
    first.cancel()
    first.deliver()
    assert line_of(first).promised_to == ""
    third.submit()
    third.work(ROOM, "give")
    third.pass_time(_end(third), HOME)
    assert line_of(third).promised_to == "", "a reservation ends by itself"


@pytest.mark.clause("10.1(2)")
@pytest.mark.parametrize(("business", "items"), [("TRANSFER", ("take", "give")), ("BB_MOVE", ("install", "remove"))])
@pytest.mark.parametrize("federation", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_the_last_milestone_ends_the_line_with_its_last_charges_and_a_refund(
    federation: Federation, business: str, items: tuple[str, str]
) -> None:
    give_line(federation)
    course = order_of(federation, business)
    course.submit()
    course.work(ROOM, *items)
    assert line_of(course).status == LINE.status
    course.finish()
    assert course.order(OTHER).state == saga.COMPLETED
    line = line_of(course)
    assert (line.status, line.promised_to) == (TERMINATED, "")
    charged, refunded, left = _booked(course)
    assert (left, charged > 0, charged + refunded) == (0, True, BALANCE)


def test_every_step_at_home_may_fail_once_or_be_done_twice_and_the_line_ends_once(federation: Federation) -> None:
    give_line(federation)
    images = {region: federation.image(region) for region in (LEADER, HOME, OTHER)}

    def ended(faulty: int, *, fails: bool) -> tuple[Course, object]:
        for region, image in images.items():
            federation.restore(region, image)
        course = Course(federation, faulty, fails, business="TRANSFER", now=NOW)
        course.submit()
        course.work(ROOM, "take", "give")
        course.finish()
        return course, (course.order().state, line_of(course).status, line_of(course).promised_to, _booked(course))

    whole, expected = ended(-1, fails=False)
    at_home = [index for index, name in enumerate(whole.steps) if name.endswith(f"in {HOME}")]
    wrong = [
        (whole.steps[step], fails)
        for step in at_home
        for fails in (True, False)
        if ended(step, fails=fails)[1] != expected
    ]
    assert (len(at_home) > 5, wrong) == (True, [])


def test_a_held_item_goes_on_where_its_line_can_be_promised_again_or_has_gone(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation)
    course.submit()
    course.work(ROOM, "give")
    course.is_held_back = lambda content: content.id.endswith(("/commit>sichuan", "/begin>sichuan"))
    course.work(ROOM, "take")
    course.pass_time(_end(course), HOME)
    course.is_held_back = lambda content: False
    course.deliver()
    assert (course.own(HOME)[0].state, line_of(course).promised_to) == (rules.HELD, "")
    course.read(HOME, lambda tx: _owes(tx, LINE))
    with pytest.raises(Refused) as refused:
        course.work(MORE_ROOM, "give")
    assert refused.value.reason == Reason.REASON_IN_ARREARS
    ended = line_of(course).terminated()
    course.read(HOME, lambda tx: keep_line(tx, ended, NOW))
    before = _booked(course)
    course.work(MORE_ROOM, "give")
    course.finish()
    assert (course.order().state, _booked(course)) == (saga.COMPLETED, before), (
        "a line that has gone is not ended again"
    )


def test_an_end_that_a_restored_database_has_lost_is_not_made_on_the_word_of_another_region(
    federation: Federation,
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit()
    course.work(ROOM, "install", "remove")
    before = federation.image(HOME)
    for kind in (CONFIGURE, JointMilestoneKind.JOINT_MILESTONE_KIND_TEST):
        course.work(WorkOnJointOrderRequest(reach=kind), "install")
    course.work(WorkOnJointOrderRequest(reach=CONFIGURE), "remove")
    assert line_of(course).status == TERMINATED
    federation.restore(HOME, before)
    look = saga.next_look(course.order(), course.now)
    assert look is not None
    course.pass_time(look, LEADER)
    course.deliver()
    assert (course.own(HOME)[0].state, line_of(course).status) == (rules.HELD, LINE.status)
    assert line_of(course).promised_to == "", "the word of another region holds no line"
    course.work(MORE_ROOM, "remove")
    assert line_of(course).promised_to == course.order_id
    course.work(WorkOnJointOrderRequest(request_id="again", reach=CONFIGURE), "remove")
    charged, refunded, left = _booked(course)
    assert (line_of(course).status, charged + refunded, left) == (TERMINATED, BALANCE, 0)
    course.work(WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_HAND_OVER), "install")
    assert course.order(HOME).state == saga.COMPLETED


def test_a_held_item_whose_line_and_papers_a_restored_database_has_lost_has_nothing_to_end(
    federation: Federation,
) -> None:
    before = federation.image(HOME)
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[on_file(course, LINE.customer_id)])
    course.work(ROOM, "install", "remove")
    federation.restore(HOME, before)
    look = saga.next_look(course.order(), course.now)
    assert look is not None
    course.pass_time(look, LEADER)
    course.deliver()
    assert [(each.state, each.papers_checked) for each in course.own(HOME)] == [(rules.HELD, False)]
    course.work(MORE_ROOM, "remove")
    assert [(each.state, each.error.reason) for each in course.own(HOME)] == [(rules.COMMITTED, 0)]


def test_a_held_item_that_a_restored_database_has_lost_is_refused_for_no_paper_that_was_withdrawn_since(
    federation: Federation,
) -> None:
    give_line(federation)
    before = federation.image(HOME)
    course = order_of(federation, "BB_MOVE")
    paper = on_file(course, LINE.customer_id)
    course.submit(code=[paper])
    course.work(ROOM, "install", "remove")
    federation.restore(HOME, before)
    on_file(course, LINE.customer_id)
    course.read(HOME, lambda tx: withdraw_document(tx, paper.document_id, NOW))
    look = saga.next_look(course.order(), course.now)
    assert look is not None
    course.pass_time(look, LEADER)
    course.deliver()
    course.work(MORE_ROOM, "remove")
    assert [(each.state, each.error.reason) for each in course.own(HOME)] == [(rules.COMMITTED, 0)]


def test_a_joint_order_that_is_destroyed_leaves_no_line_promised(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation)
    course.submit()
    course.work(ROOM, "give")
    course.read(HOME, lambda tx: forget_items(tx, "guangdong/J20260328-99"))
    assert line_of(course).promised_to == course.order_id
    course.read(HOME, lambda tx: forget_items(tx, course.order_id))
    assert line_of(course).promised_to == ""


def test_a_leading_region_ends_no_line_that_the_catalogue_does_not_end(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation, "LEASED_CHANGE")
    course.submit()
    order = course.order()
    lie = _item(order, "access-1")
    lie.id, lie.ends_line = "access-3", True
    context = federation.context(HOME)
    with pytest.raises(Refused) as refused:
        course.do("lie", HOME, lambda tx: items.obey(tx, context, order, lie, saga.RESERVE, None, NOW, ""))
    assert refused.value.reason == Reason.REASON_ENVELOPE_INVALID


def _booked(course: Course) -> tuple[int, int, int]:
    """The charges of the order, the refund, and the balance that is left, in minor units."""

    def read(tx: Transaction) -> tuple[int, int, int]:
        left, due = ledger.balance(tx, LINE.account_id), ledger.balance(tx, REFUNDS_DUE)
        return BALANCE - due - left, due, left

    found = course.read(HOME, read)
    assert isinstance(found, tuple)
    return found


def _item(order: JointOrder, item_id: str) -> JointItem:
    return next(each for each in order.items if each.id == item_id)


def _end(course: Course) -> datetime:
    return course.order().hold_until_time.ToDatetime(NOW.tzinfo) + timedelta(minutes=2)
