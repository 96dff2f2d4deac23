"""The life of an order, and what a request must bring."""

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    Reach,
    Step,
    ValueType,
)
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, text
from gateway.federation.prepared import PreparedBusiness
from gateway.time.clock import from_timestamp
from region_node.business.orders import rules
from region_node.business.orders.rules import (
    ACKNOWLEDGED,
    ASSESSING_CANCELLATION,
    CANCELLED,
    COMPLETED,
    FAILED,
    HELD,
    IN_PROGRESS,
    PARTIAL,
    PENDING,
    PENDING_CANCELLATION,
    REJECTED,
)
from region_node.requests.checks import REQUEST_LIMIT, require_size

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
STATES = [state for state in OrderState.values() if state]
FINAL_STATES = {REJECTED, CANCELLED, COMPLETED, FAILED, PARTIAL}

# The lifecycle diagram of TMF622, arrow by arrow.
ARROWS = {
    (ACKNOWLEDGED, IN_PROGRESS),
    (ACKNOWLEDGED, PENDING),
    (IN_PROGRESS, PENDING),
    (IN_PROGRESS, HELD),
    (IN_PROGRESS, ASSESSING_CANCELLATION),
    (IN_PROGRESS, COMPLETED),
    (IN_PROGRESS, FAILED),
    (IN_PROGRESS, PARTIAL),
    (PENDING, IN_PROGRESS),
    (PENDING, CANCELLED),
    (PENDING, ASSESSING_CANCELLATION),
    (HELD, IN_PROGRESS),
    (HELD, CANCELLED),
    (HELD, ASSESSING_CANCELLATION),
    (ASSESSING_CANCELLATION, PENDING_CANCELLATION),
    (ASSESSING_CANCELLATION, IN_PROGRESS),
    (ASSESSING_CANCELLATION, PENDING),
    (ASSESSING_CANCELLATION, HELD),
    (PENDING_CANCELLATION, CANCELLED),
}
# What besides these an origin region may say before the home region has decided.
BEFORE_A_DECISION = {
    (ACKNOWLEDGED, HELD),
    (ACKNOWLEDGED, REJECTED),
    (ACKNOWLEDGED, CANCELLED),
    (ACKNOWLEDGED, ASSESSING_CANCELLATION),
    (HELD, ACKNOWLEDGED),
    (HELD, REJECTED),
    (ASSESSING_CANCELLATION, ACKNOWLEDGED),
    (ASSESSING_CANCELLATION, REJECTED),
    (ASSESSING_CANCELLATION, CANCELLED),
}

UNICODE = st.characters(exclude_categories=["Cs"])  # what a protobuf string can hold
states = st.sampled_from(STATES)
versions = st.integers(0, 3)


def order_in(state: OrderState.ValueType, version: int = 1) -> Order:
    """An order in a state, as if nothing had been noted before."""
    return Order(id="guangdong/counter/R1", state=state, version=version)


def enter(order: Order, state: OrderState.ValueType) -> None:
    rules.enter(order, state, now=NOW, region="sichuan", reason="test")


@pytest.mark.guarantee("G7")
def test_an_order_goes_where_the_diagram_has_an_arrow_and_nowhere_else() -> None:
    wrong = []
    for before, after, version in product(STATES, STATES, (0, 1)):
        order, refused = order_in(before, version), False
        try:
            enter(order, after)
        except ValueError as error:
            refused = "does not go from" in str(error)
        if before != after and (before, after) in (ARROWS if version else ARROWS | BEFORE_A_DECISION):
            right = order.state == after
        else:
            right = order == order_in(before, version) and refused == (before != after)
        if not right:
            wrong.append(f"{OrderState.Name(before)} to {OrderState.Name(after)}, version {version}")
    assert not wrong


@given(st.lists(st.tuples(states, versions), max_size=12))
def test_whatever_is_tried_the_states_noted_are_a_way_through_the_diagram(
    attempts: list[tuple[OrderState.ValueType, int]],
) -> None:
    order = Order()
    enter(order, ACKNOWLEDGED)
    for state, version in attempts:
        was_final = rules.is_final(order)
        order.version = max(order.version, version)
        before = order.state
        try:
            enter(order, state)
        except ValueError:
            assert order.state == before
        if was_final:
            assert order.state == before, "a final state absorbs"
    noted = [change.state for change in order.state_changes]
    assert noted[-1] == order.state
    assert all(step in ARROWS | BEFORE_A_DECISION for step in pairwise(noted))


@pytest.mark.parametrize("state", STATES)
def test_exactly_the_five_ends_are_final(state: OrderState.ValueType) -> None:
    assert rules.is_final(order_in(state)) == (state in FINAL_STATES)


def test_entering_a_state_notes_when_where_and_why() -> None:
    order = order_in(IN_PROGRESS)
    rules.wait_for(order, Party.PARTY_HOME_STAFF, "review", now=NOW, due=NOW + HOUR)
    rules.enter(order, COMPLETED, now=NOW, region="sichuan", reason="fulfilled")
    (change,) = order.state_changes
    assert (change.state, change.region, change.reason) == (COMPLETED, "sichuan", "fulfilled")
    assert from_timestamp(change.time) == from_timestamp(order.completion_time) == NOW
    assert not order.HasField("awaiting")


def test_whose_turn_it_is_stands_on_the_order_until_it_is_final() -> None:
    order = order_in(ACKNOWLEDGED)
    enter(order, PENDING)
    rules.wait_for(order, Party.PARTY_CUSTOMER, "confirm", now=NOW, due=NOW + HOUR)
    enter(order, IN_PROGRESS)
    assert (order.awaiting.party, order.awaiting.action) == (Party.PARTY_CUSTOMER, "confirm")
    assert from_timestamp(order.awaiting.due_time) - from_timestamp(order.awaiting.since_time) == HOUR


@pytest.mark.parametrize("state", [IN_PROGRESS, PENDING, HELD, ASSESSING_CANCELLATION])
def test_a_decided_order_is_cancelled_by_way_of_assessing_and_granting(state: OrderState.ValueType) -> None:
    order = order_in(state)
    rules.cancel(order, reason="changed my mind", now=NOW, region="sichuan")
    way = [ASSESSING_CANCELLATION, PENDING_CANCELLATION, CANCELLED]
    noted = [change.state for change in order.state_changes]
    assert noted == (way[1:] if state == ASSESSING_CANCELLATION else way)
    assert (order.state, order.cancellation_reason) == (CANCELLED, "changed my mind")
    assert from_timestamp(order.cancellation_time) == NOW


@pytest.mark.parametrize("state", [ACKNOWLEDGED, HELD, ASSESSING_CANCELLATION])
def test_an_order_that_nobody_decided_on_is_cancelled_in_one_step(state: OrderState.ValueType) -> None:
    order = order_in(state, version=0)
    rules.cancel(order, reason="changed my mind", now=NOW, region="guangdong")
    assert [change.state for change in order.state_changes] == [CANCELLED]


@pytest.mark.parametrize("after", [IN_PROGRESS, PENDING, HELD])
def test_a_cancellation_has_its_reason_until_it_is_not_granted(after: OrderState.ValueType) -> None:
    order = order_in(after)
    rules.request_cancellation(order, reason="changed my mind", now=NOW, region="guangdong")
    assert (order.state, order.cancellation_reason) == (ASSESSING_CANCELLATION, "changed my mind")
    enter(order, after)
    assert not order.cancellation_reason


def test_cancelling_twice_changes_nothing() -> None:
    order = order_in(IN_PROGRESS)
    rules.cancel(order, reason="first", now=NOW, region="sichuan")
    before = order.SerializeToString(deterministic=True)
    rules.cancel(order, reason="second", now=NOW + HOUR, region="sichuan")
    assert order.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("state", sorted(FINAL_STATES - {CANCELLED}))
def test_after_the_end_it_is_too_late_to_cancel(state: OrderState.ValueType, version: int) -> None:
    order = order_in(state, version)
    with pytest.raises(Refused) as raised:
        rules.cancel(order, reason="changed my mind", now=NOW, region="sichuan")
    assert raised.value.reason == Reason.REASON_ORDER_TOO_LATE_TO_CANCEL
    assert order == order_in(state, version)


@pytest.mark.parametrize(
    ("after", "allowed"), [(HOUR - timedelta(microseconds=1), False), (HOUR, True), (2 * HOUR, True)]
)
def test_a_reminder_waits_a_full_hour_after_the_last(after: timedelta, allowed: bool) -> None:
    order = order_in(IN_PROGRESS)
    rules.expedite(order, "clerk-1", NOW)
    if allowed:
        rules.expedite(order, "clerk-2", NOW + after)
        assert [each.staff_id for each in order.expedites] == ["clerk-1", "clerk-2"]
        return
    with pytest.raises(Refused) as raised:
        rules.expedite(order, "clerk-2", NOW + after)
    assert raised.value.reason == Reason.REASON_EXPEDITED_RECENTLY
    assert len(order.expedites) == 1


@given(st.lists(st.integers(0, 90), max_size=20))
def test_however_often_somebody_reminds_two_reminders_are_an_hour_apart(minutes: list[int]) -> None:
    order, now = order_in(PENDING), NOW
    for pause in minutes:
        now += timedelta(minutes=pause)
        with contextlib.suppress(Refused):
            rules.expedite(order, "clerk-1", now)
    times = [from_timestamp(each.time) for each in order.expedites]
    assert all(later - earlier >= HOUR for earlier, later in pairwise(times))
    assert bool(minutes) == bool(times)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_final_order_takes_no_reminder(state: OrderState.ValueType) -> None:
    with pytest.raises(Refused) as raised:
        rules.expedite(order_in(state), "clerk-1", NOW)
    assert raised.value.reason == Reason.REASON_ORDER_STATE_FORBIDS


def test_only_the_awaited_action_is_possible() -> None:
    order = order_in(PENDING)
    rules.wait_for(order, Party.PARTY_CUSTOMER, "confirm", now=NOW, due=NOW)
    rules.require_awaiting(order, "confirm")
    with pytest.raises(Refused) as raised:
        rules.require_awaiting(order, "supplement")
    assert raised.value.parameters == {"state": "pending", "action": "supplement"}


@pytest.mark.parametrize("region", ["guangdong", "sichuan"])
def test_staff_of_the_home_region_have_what_waits_for_them_to_do_and_others_have_not(region: str) -> None:
    order = order_in(IN_PROGRESS)
    order.home_region = "guangdong"
    rules.wait_for(order, Party.PARTY_HOME_STAFF, rules.REVIEW, now=NOW, due=NOW)
    assert rules.is_work_of(order, region) == (region == "guangdong")
    rules.wait_for(order, Party.PARTY_HOME_REGION, rules.UNDO, now=NOW, due=NOW)
    assert (rules.is_work_of(order, region), rules.decisions_of(order)) == (False, ())


@given(st.sampled_from(["guangdong", "sichuan"]), st.sampled_from(["chen", "Chen", "wang"]))
def test_nobody_reviews_what_they_took_in_and_a_namesake_elsewhere_may(region: str, name: str) -> None:
    order = Order(origin_region="guangdong", request=OrderRequest(requester=Requester(staff_id="chen")))
    if (region, name.lower()) != ("guangdong", "chen"):
        rules.require_other_reviewer(order, region, name)
        return
    with pytest.raises(Refused) as raised:
        rules.require_other_reviewer(order, region, name)
    assert raised.value.reason == Reason.REASON_REVIEWER_IS_SUBMITTER


def test_nobody_reviews_an_order_whose_papers_they_verified_and_a_document_on_file_binds_nobody() -> None:
    order = Order(origin_region="guangdong", request=OrderRequest(requester=Requester(staff_id="chen")))
    order.request.documents.add(code="ID_ORIG", verifier="li")
    order.request.documents.add(code="ID_COPY", verifier="wang", document_id="guangdong/counter/1")
    with pytest.raises(Refused, match="REVIEWER_IS_SUBMITTER"):
        rules.require_other_reviewer(order, "guangdong", "LI")
    for region, name in (("sichuan", "li"), ("guangdong", "wang")):
        rules.require_other_reviewer(order, region, name)


def test_the_steps_left_are_those_after_the_ones_done() -> None:
    steps = [Step.STEP_REVIEW, Step.STEP_CONFIRM, Step.STEP_FULFIL]
    left = [list(rules.steps_after(Order(steps=steps, steps_done=done))) for done in range(4)]
    assert left == [steps[done:] for done in range(4)]
    assert left[-1] == []


@pytest.mark.parametrize(
    ("reach", "at_home", "offered"),
    [
        (Reach.REACH_FEDERATION, True, True),
        (Reach.REACH_FEDERATION, False, True),
        (Reach.REACH_HOME, True, True),
        (Reach.REACH_HOME, False, False),
    ],
)
def test_a_business_kept_at_home_is_offered_there_alone(reach: Reach.ValueType, at_home: bool, offered: bool) -> None:
    business = Business(code="MNP_IN", reach=reach)
    if offered:
        rules.require_offered(business, at_home=at_home)
        return
    with pytest.raises(Refused) as raised:
        rules.require_offered(business, at_home=at_home)
    assert raised.value.reason == Reason.REASON_BUSINESS_NOT_OFFERED


@pytest.mark.parametrize(("size", "fits"), [(REQUEST_LIMIT, True), (REQUEST_LIMIT + 1, False)])
def test_an_order_may_be_as_large_as_the_limit(size: int, fits: bool) -> None:
    if fits:
        require_size(size)
        return
    with pytest.raises(Refused) as raised:
        require_size(size)
    assert raised.value.reason == Reason.REASON_MESSAGE_TOO_LARGE


@pytest.mark.parametrize("state", STATES)
def test_states_are_named_as_tmf622_names_them(state: OrderState.ValueType) -> None:
    names = {
        "acknowledged",
        "rejected",
        "pending",
        "held",
        "inProgress",
        "cancelled",
        "completed",
        "failed",
        "partial",
        "assessingCancellation",
        "pendingCancellation",
    }
    assert rules.state_name(state) in names


def test_an_error_on_an_order_is_for_programs_and_for_people() -> None:
    order = order_in(REJECTED)
    rules.note_error(order, Refused(Reason.REASON_LINE_BOUND, binding="family-4"))
    assert (order.error.reason, dict(order.error.parameters)) == (Reason.REASON_LINE_BOUND, {"binding": "family-4"})
    assert "family-4" in order.error.message.zh_cn
    assert "family-4" in order.error.message.en


# Characteristics.

OF_EVERY_TYPE = PreparedBusiness(
    Business(
        code="TEST",
        characteristics=[
            CharacteristicSpecification(name="reason", value_type=ValueType.VALUE_TYPE_TEXT, required=True),
            CharacteristicSpecification(name="start", value_type=ValueType.VALUE_TYPE_TIME),
            CharacteristicSpecification(name="amount", value_type=ValueType.VALUE_TYPE_AMOUNT),
            CharacteristicSpecification(name="plan", value_type=ValueType.VALUE_TYPE_PLAN),
        ],
    )
)


def read(characteristics: Mapping[str, str]) -> dict[str, rules.Value]:
    return rules.read_characteristics(OF_EVERY_TYPE, OrderRequest(characteristics=characteristics))


def reason_of(characteristics: Mapping[str, str]) -> str:
    with pytest.raises(Refused) as raised:
        read(characteristics)
    return Reason.Name(raised.value.reason).removeprefix("REASON_")


def test_values_are_read_by_their_types() -> None:
    written = {"reason": "出差", "start": "2030-06-15T12:00:00+08:00", "amount": "12", "plan": "sichuan-59"}
    assert read(written) == {"reason": "出差", "start": NOW, "amount": 12, "plan": "sichuan-59"}


def test_what_is_optional_may_be_left_out_or_empty() -> None:
    assert read({"reason": "x"}) == read({"reason": "x", "start": ""}) == {"reason": "x"}


@pytest.mark.parametrize("characteristics", [{}, {"reason": ""}, {"amount": "5"}])
def test_what_is_required_must_be_said(characteristics: dict[str, str]) -> None:
    assert reason_of(characteristics) == "CHARACTERISTIC_MISSING"


@pytest.mark.parametrize("name", ["colour", "", "Reason"])
def test_a_name_that_the_business_does_not_know_is_refused(name: str) -> None:
    assert reason_of({"reason": "x", name: "y"}) == "CHARACTERISTIC_INVALID"


@pytest.mark.parametrize(
    "written",
    [
        {"reason": "x" * 257},
        {"reason": "x", "amount": "-5"},
        {"reason": "x", "start": "tomorrow"},
        {"reason": "x", "start": "2031-01-01T08:00:00"},
        {"reason": "x", "start": "9999-12-31T23:59:59Z"},
        {"reason": "x", "colour": "red"},
    ],
)
def test_what_is_wrong_with_a_value_is_told_in_chinese_without_english(written: dict[str, str]) -> None:
    with pytest.raises(Refused) as raised:
        read(written)
    told = text(raised.value.reason, raised.value.parameters).zh_cn.partition("无效：")[2]
    assert told
    assert not re.search("[a-z]", told)


@given(st.text(UNICODE, min_size=1, max_size=300).filter(lambda text: "\0" not in text))
def test_a_text_may_have_256_characters(text: str) -> None:
    if len(text) <= 256:
        assert read({"reason": text}) == {"reason": text}
    else:
        assert reason_of({"reason": text}) == "CHARACTERISTIC_INVALID"


@given(st.integers(-(10**14), 10**14))
def test_an_amount_is_a_positive_whole_number_up_to_a_bound(amount: int) -> None:
    written = {"reason": "x", "amount": str(amount)}
    if 0 < amount <= 10**12:
        assert read(written)["amount"] == amount
    else:
        assert reason_of(written) == "CHARACTERISTIC_INVALID"


@given(st.text(UNICODE, min_size=1, max_size=20).filter(lambda text: not (text.isascii() and text.isdigit())))
def test_what_is_no_number_is_no_amount(text: str) -> None:
    assert reason_of({"reason": "x", "amount": text}) == "CHARACTERISTIC_INVALID"


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 12, 30)), offsets)  # noqa: DTZ001 - local times
def test_a_time_with_its_offset_is_an_instant(local: datetime, zone: timezone) -> None:
    instant = local.replace(tzinfo=zone)
    value = read({"reason": "x", "start": instant.isoformat()})["start"]
    assert value == instant
    assert isinstance(value, datetime)
    assert value.tzinfo is UTC


@given(st.datetimes())
def test_a_time_without_an_offset_is_refused(local: datetime) -> None:
    assert reason_of({"reason": "x", "start": local.isoformat()}) == "CHARACTERISTIC_INVALID"


@given(st.text(UNICODE, max_size=40))
def test_any_text_at_all_is_a_time_or_refused(text: str) -> None:
    try:
        start = read({"reason": "x", "start": text}).get("start")
    except Refused as error:
        start = error.parameters["name"]
    assert start == "start" or isinstance(start, datetime) or (text, start) == ("", None)


@pytest.mark.parametrize("year", ["0001", "1969", "3000", "9999"])
def test_a_time_near_the_ends_of_the_calendar_is_refused(year: str) -> None:
    assert reason_of({"reason": "x", "start": f"{year}-06-15T12:00:00+14:00"}) == "CHARACTERISTIC_INVALID"
