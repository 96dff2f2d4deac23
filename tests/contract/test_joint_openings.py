"""A joint order that opens a line: the region of the item checks it at the survey, and opens it once with its test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind, LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.joint_order_pb2 import JointItem
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, reason_name
from gateway.federation import catalogue
from gateway.federation.current import CurrentFederation
from gateway.federation.numberplan import NumberPlan
from gateway.store.port import Transaction
from region_node.business.joint import lines, openings, rules, saga, working
from region_node.customers.identities import customer_known_by, note_identity
from region_node.customers.rows import CustomerRow, Line, find_customer, insert_customer, insert_line
from region_node.customers.rows import line_of as line_with_id
from region_node.customers.status import ACTIVE as ACTIVE_CUSTOMER
from region_node.customers.status import RESTRICTED, keep_status
from tests.contract.test_joint_lines import HOME, OTHER, give_line, line_of, on_file
from tests.contract.test_joint_steps import LEADER, MORE_ROOM, ROOM, Course, Federation, a_federation
from tests.simulation.plans import documents
from tests.simulation.world import START as NOW
from tests.unit.situations import LINE

__all__ = ["a_federation"]
ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
CHOSEN: Mapping[str, Mapping[str, str]] = {
    "TRANSFER": {"plan": "henan-29"},
    "BB_MOVE": {"plan": "henan-broadband-300", "name": "ACME"},
}
KINDS = {"TRANSFER": LineKind.LINE_KIND_MOBILE, "BB_MOVE": LineKind.LINE_KIND_BROADBAND}
HOLDERS = {"TRANSFER": ("NEW_OWNER_ID", "Li Si", ""), "BB_MOVE": ("BIZ_LIC", "ACME", "1 Main Street")}
ITEMS = {"TRANSFER": ("take", "give"), "BB_MOVE": ("install", "remove")}
ADOPT = rules.adopt
TEST = WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_TEST)


def order_of(federation: Federation, business: str = "TRANSFER", **values: str) -> Course:
    """An order of a business with a plan for the new line."""
    return Course(federation, business=business, now=NOW, values={**CHOSEN[business], **values})


def opened(course: Course, region: str = OTHER) -> Sequence[Line]:
    """The lines that a region has, besides the one that the order ends."""

    def read(tx: Transaction) -> Sequence[Line]:
        ids = tx.all(str, "SELECT product_id FROM products ORDER BY product_id")
        found = [line for each in ids if (line := line_with_id(tx, each)) is not None]
        return [each for each in found if each.number != LINE.number]

    lines = course.read(region, read)
    assert isinstance(lines, list)
    return lines


def shown_number(course: Course, region: str, item_id: str) -> str:
    """The number of the new line, as staff of a region read it."""
    context = course.federation.context(region)
    order = course.order(region)
    course.read(region, lambda tx: working.view(tx, context, order))
    return next(each.opened_number for each in order.items if each.id == item_id)


@pytest.mark.clause("10.1(2)")
@pytest.mark.parametrize("business", ["TRANSFER", "BB_MOVE"])
@pytest.mark.parametrize("federation", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_the_new_line_is_in_service_with_its_test_and_before_the_old_one_ends(
    federation: Federation, business: str
) -> None:
    new, old = ITEMS[business]
    give_line(federation)
    course = order_of(federation, business)
    course.submit()
    course.work(ROOM, new, old)
    assert opened(course) == []
    for milestone in _item(course, new).milestones[1:]:
        course.work(WorkOnJointOrderRequest(reach=milestone.kind), new)
    (line,) = opened(course)
    paper, name, address = HOLDERS[business]
    (document,) = documents([paper], NOW, "")
    holder = course.read(OTHER, lambda tx: customer_known_by(tx, LEADER, document.keyed_hash))
    assert (line.customer_id, line.status, line.kind) == (holder, ACTIVE, KINDS[business])
    assert (line.plan_id, line.address, line_of(course).status) == (CHOSEN[business]["plan"], address, ACTIVE)
    told = course.read(OTHER, lambda tx: tx.all(str, "SELECT kind FROM notices WHERE kind = 'joint-opened'"))
    known = course.read(OTHER, lambda tx: find_customer(tx, line.customer_id))
    assert (told, known) == (["joint-opened"], CustomerRow(line.customer_id, name, ""))
    course.finish()
    assert (course.order(OTHER).state, line_of(course).status) == (saga.COMPLETED, line_of(course).terminated().status)
    assert [shown_number(course, each, new) for each in (OTHER, HOME, LEADER)] == [line.number, "", ""]
    course.read(OTHER, lambda tx: keep_status(tx, line.customer_id, RESTRICTED))
    assert shown_number(course, OTHER, new) == ""


def test_a_plan_that_the_region_does_not_sell_and_a_holder_without_a_name_are_refused_at_once(
    federation: Federation,
) -> None:
    give_line(federation)
    found = []
    for course in (
        order_of(federation, plan="sichuan-59"),
        order_of(federation, plan="henan-broadband-300"),
        order_of(federation, "BB_MOVE", plan="henan-29"),
        order_of(federation, "BB_MOVE", name=""),
    ):
        with pytest.raises(Refused) as refused:
            course.submit()
        found.append(reason_name(refused.value.reason))
    assert found == ["PLAN_UNKNOWN", "PLAN_UNKNOWN", "PLAN_UNKNOWN", "CHARACTERISTIC_MISSING"]


@pytest.mark.clause("10.1(2)")
def test_a_line_that_its_region_may_not_open_fails_the_order_for_all_and_nothing_is_left(
    federation: Federation,
) -> None:
    give_line(federation)
    (paper,) = documents(["NEW_OWNER_ID"], NOW, "")

    def hold_five(tx: Transaction) -> None:
        insert_customer(tx, CustomerRow("holder", "Li Si", ""))
        note_identity(tx, LEADER, paper.keyed_hash, "holder")
        for index in range(5):
            held, number = f"held-{index}", f"+861984100000{index}"
            insert_line(tx, replace(LINE, customer_id="holder", product_id=held, account_id=held, number=number))

    course = order_of(federation)
    course.read(OTHER, hold_five)
    course.submit()
    for region in (LEADER, HOME, OTHER):
        order = course.order(region)
        take = next(each for each in order.items if each.id == "take")
        assert (order.state, take.error.reason) == (saga.FAILED, Reason.REASON_CARD_LIMIT_REACHED), region
    assert (len(opened(course)), line_of(course).promised_to) == (5, "")


def test_a_cancelled_order_opens_no_line_and_one_without_a_plan_leaves_it_to_staff(federation: Federation) -> None:
    give_line(federation)
    cancelled, by_hand = order_of(federation), order_of(federation, plan="")
    cancelled.submit()
    cancelled.work(ROOM, "take")
    cancelled.cancel()
    cancelled.deliver()
    by_hand.submit()
    by_hand.work(ROOM, "take", "give")
    assert [_item(each, "take").opens_line for each in (cancelled, by_hand)] == [True, False]
    by_hand.finish()
    assert (cancelled.order().state, by_hand.order().state) == (saga.CANCELLED, saga.COMPLETED)
    assert opened(by_hand) == []


@pytest.mark.clause("10.1(2)")
def test_a_holder_whose_paper_is_on_file_at_the_old_home_has_a_new_line_by_it(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[on_file(course, LINE.customer_id)])
    course.work(ROOM, "install", "remove")
    course.finish()
    assert (course.order().state, len(opened(course))) == (saga.COMPLETED, 1)


def _drop_mark(item: JointItem, told: JointItem) -> None:
    """As a leading region does that does not know who has checked papers."""
    ADOPT(item, told)
    item.ClearField("papers_checked")


def _check_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "adopt", _drop_mark)
    monkeypatch.setattr(lines, "identifying", lambda _: ())


def _ask_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "adopt", _drop_mark)
    monkeypatch.setattr(saga, "_waits_for_papers", lambda *_: False)


@pytest.mark.parametrize("as_before", [_check_nothing, _ask_all_at_once], ids=["the old home", "the leading region"])
def test_a_region_opens_no_line_by_a_paper_that_a_home_of_an_older_version_may_not_have_checked(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, as_before: Callable[[pytest.MonkeyPatch], None]
) -> None:
    as_before(monkeypatch)
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[on_file(course, LINE.customer_id)])
    assert _item(course, "install").error.reason == Reason.REASON_DOCUMENT_NOT_ON_FILE
    assert (course.order().state, line_of(course).promised_to) == (saga.FAILED, "")


def test_a_region_of_an_older_version_refuses_the_paper_on_file_at_the_old_home_which_has_checked_it(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "_is_checked_by_home", lambda *_: False)
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[on_file(course, LINE.customer_id)])
    assert _item(course, "remove").papers_checked
    assert _item(course, "install").error.reason == Reason.REASON_DOCUMENT_NOT_ON_FILE


def _name_home(monkeypatch: pytest.MonkeyPatch, region: str | None) -> None:
    """As a plan does that names another home of the number, or none."""
    known = NumberPlan.home_of

    def named(plan: NumberPlan, number: str) -> str | None:
        return region if number == LINE.number else known(plan, number)

    monkeypatch.setattr(NumberPlan, "home_of", named)


def test_the_word_of_a_region_that_is_not_the_home_of_the_number_counts_for_no_paper(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.is_held_back = lambda content: content.id.endswith(f"/reserve>{OTHER}")
    course.submit(code=[on_file(course, LINE.customer_id)])
    _name_home(monkeypatch, LEADER)
    course.is_held_back = lambda content: False
    course.deliver()
    assert _item(course, "install").error.reason == Reason.REASON_DOCUMENT_NOT_ON_FILE


@pytest.mark.parametrize("former", [LEADER, None], ids=["another home", "none"])
def test_a_region_whose_plan_is_behind_decides_about_papers_on_file_once_it_has_the_plan_of_the_leading_region(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, former: str | None
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    current = course.contexts[OTHER].border.current
    with monkeypatch.context() as behind:
        behind.setattr(CurrentFederation, "assignments", property(lambda known: int(known is not current)))
        course.is_held_back = lambda content: content.id.endswith(f"/reserve>{OTHER}")
        course.submit(code=[on_file(course, LINE.customer_id)])
        _name_home(behind, former)
        course.is_held_back = lambda content: False
        with pytest.raises(Refused) as refused:
            course.deliver()
    assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING
    monkeypatch.setattr(CurrentFederation, "assignments", 1)
    course.deliver()
    course.work(ROOM, "install", "remove")
    assert course.order().state == saga.IN_PROGRESS


def test_an_item_taken_in_is_reserved_and_opens_its_line_though_the_plan_names_another_home_by_then(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit(code=[on_file(course, LINE.customer_id)])
    _name_home(monkeypatch, LEADER)
    course.work(ROOM, "install", "remove")
    for milestone in _item(course, "install").milestones[1:]:
        course.work(WorkOnJointOrderRequest(reach=milestone.kind), "install")
    assert [each.status for each in opened(course)] == [ACTIVE]


def test_a_leading_region_that_opens_the_new_line_keeps_to_the_home_by_which_another_process_took_the_order_in(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE", plan="guangdong-broadband-500")
    course.is_held_back = lambda content: content.id.endswith(f"/reserve>{HOME}")
    course.submit(regions=(HOME, LEADER), code=[on_file(course, LINE.customer_id)])
    _name_home(monkeypatch, OTHER)
    course.is_held_back = lambda content: False
    course.deliver()
    assert [each.state for each in course.own(LEADER)] == [rules.SURVEYING]


def test_the_region_of_the_new_line_is_asked_once_the_home_of_the_ended_one_has_checked_the_papers_on_file(
    federation: Federation,
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.is_held_back = lambda content: content.id.endswith(f"/reserve>{HOME}")
    course.submit(code=[on_file(course, LINE.customer_id)])
    assert [each.region for each in course.order().awaiting] == [HOME]
    course.is_held_back = lambda content: False
    course.deliver()
    assert [each.region for each in course.order().awaiting] == [OTHER, HOME]
    assert [each.papers_checked for each in course.order(OTHER).items] == [False, True]


def _told_before_reserve(
    course: Course, region: str, paper: Document, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """A leading region says of items that it has not requested yet that they are surveyed, and their papers good."""
    course.is_held_back = lambda content: "/reserve>" in content.id
    course.submit(code=[paper])
    meanwhile()
    order, context = course.order(), course.contexts[region]
    for item in order.items:
        if item.region == region:
            item.state, item.version = rules.SURVEYING, 7
        item.papers_checked = True
    order.version += 1
    course.do("update", region, lambda tx: working.adopt(tx, context, order, course.now, ""))
    course.deliver()


def test_a_home_that_hears_of_its_item_before_it_is_requested_checks_the_papers_on_file_itself(
    federation: Federation,
) -> None:
    give_line(federation)
    good, bad = order_of(federation, "BB_MOVE"), order_of(federation, "BB_MOVE")
    _told_before_reserve(bad, HOME, on_file(bad, "somebody-else"))
    assert [each.papers_checked for each in bad.own(HOME)] == [False], "the word of another region does not count"
    bad.work(ROOM, "remove")
    assert [each.error.reason for each in bad.own(HOME)] == [Reason.REASON_PROOF_NOT_OF_NUMBER]
    _told_before_reserve(good, HOME, on_file(good, LINE.customer_id))
    good.work(ROOM, "remove")
    assert [(each.state, each.papers_checked) for each in good.own(HOME)] == [(rules.RESERVED, True)]


def test_a_region_that_hears_of_its_new_line_before_it_is_requested_asks_the_number_plan_about_the_home(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    _told_before_reserve(course, OTHER, on_file(course, LINE.customer_id), lambda: _name_home(monkeypatch, LEADER))
    assert [each.papers_checked for each in course.own(OTHER)] == [False]
    course.work(ROOM, "install")
    assert [each.error.reason for each in course.own(OTHER)] == [Reason.REASON_DOCUMENT_NOT_ON_FILE]


def test_a_paper_other_than_the_one_on_file_opens_no_line_and_that_of_a_new_owner_has_to_be_on_file(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue.Federation, "is_reusable", lambda *_: True)  # as a catalogue may have it
    give_line(federation)
    moved, transferred = order_of(federation, "BB_MOVE"), order_of(federation)
    forged = on_file(moved, "somebody-else", region=OTHER)
    forged.verifier = "another-clerk"
    moved.submit(code=[forged])
    transferred.submit(code=[on_file(transferred, "li-si", "NEW_OWNER_ID")])
    refused = [(_item(moved, "remove"), "PROOF_NOT_OF_NUMBER"), (_item(transferred, "take"), "DOCUMENT_NOT_ON_FILE")]
    assert [reason_name(item.error.reason) for item, _ in refused] == [reason for _, reason in refused]
    assert (moved.order().state, opened(moved)) == (saga.FAILED, [])


@pytest.mark.slow
def test_every_step_of_the_region_may_fail_once_or_be_done_twice_and_one_line_is_opened(
    federation: Federation,
) -> None:
    give_line(federation)
    images = {region: federation.image(region) for region in (LEADER, HOME, OTHER)}

    def ended(faulty: int, *, fails: bool) -> tuple[Course, object]:
        for region, image in images.items():
            federation.restore(region, image)
        course = Course(federation, faulty, fails, business="TRANSFER", now=NOW, values=CHOSEN["TRANSFER"])
        course.submit()
        course.work(ROOM, "take", "give")
        course.finish()
        lines = [(each.status, each.plan_id) for each in opened(course)]
        return course, (course.order().state, line_of(course).status, lines)

    whole, expected = ended(-1, fails=False)
    there = [index for index, name in enumerate(whole.steps) if name.endswith(f"in {OTHER}")]
    wrong = [
        (whole.steps[step], fails)
        for step in there
        for fails in (True, False)
        if ended(step, fails=fails)[1] != expected
    ]
    assert (len(there) > 5, expected, wrong) == (
        True,
        (saga.COMPLETED, line_of(whole).terminated().status, [(ACTIVE, "henan-29")]),
        [],
    )


def test_a_line_that_cannot_be_opened_any_more_keeps_its_item_until_it_can(federation: Federation) -> None:
    give_line(federation)
    course = order_of(federation)
    course.submit()
    course.work(ROOM, "take", "give")
    course.work(WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_CONTRACT), "take")
    (paper,) = documents(["NEW_OWNER_ID"], NOW, "")

    def restrict(tx: Transaction) -> None:
        insert_customer(tx, CustomerRow("holder", "Li Si", ""))
        note_identity(tx, LEADER, paper.keyed_hash, "holder")
        keep_status(tx, "holder", RESTRICTED)

    course.read(OTHER, restrict)
    with pytest.raises(Refused) as refused:
        course.work(TEST, "take")
    assert refused.value.reason == Reason.REASON_CUSTOMER_RESTRICTED
    assert (_item(course, "take").state, opened(course)) == (rules.IN_PROGRESS, [])
    course.read(OTHER, lambda tx: keep_status(tx, "holder", ACTIVE_CUSTOMER))
    course.work(TEST, "take")
    assert [each.customer_id for each in opened(course)] == ["holder"]


def test_a_line_that_a_restored_database_has_lost_is_opened_again_once_staff_have_confirmed_it(
    federation: Federation,
) -> None:
    give_line(federation)
    course = order_of(federation, "BB_MOVE")
    course.submit()
    course.work(ROOM, "install", "remove")
    before = federation.image(OTHER)
    course.work(WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE), "install")
    course.work(TEST, "install")
    (lost,) = opened(course)
    federation.restore(OTHER, before)
    look = saga.next_look(course.order(), course.now)
    assert look is not None
    course.pass_time(look, LEADER)
    course.deliver()
    assert (course.own(OTHER)[0].state, opened(course)) == (rules.HELD, []), "not on the word of another region"
    course.work(MORE_ROOM, "install")
    again = WorkOnJointOrderRequest(request_id="again")
    again.MergeFrom(TEST)
    course.work(again, "install")
    (line,) = opened(course)
    assert (line.product_id, line.number) == (lost.product_id, lost.number)


def _item(course: Course, item_id: str) -> JointItem:
    return next(each for each in course.order(OTHER).items if each.id == item_id)
