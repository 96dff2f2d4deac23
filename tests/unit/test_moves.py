"""Who may give a number away, which region is its home, and the course of a move. The hand-over is in tests/crash."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from coordinator.configuration.assigning import assigned, keep_exceptions
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException, PrefixRange
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MovedLine, MoveState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.numberplan import NumberPlan
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from region_node.business.billing.charging import lines_billed
from region_node.business.billing.rules import Month
from region_node.customers import status
from region_node.customers.moved_numbers import forget_homes, home_elsewhere, note_homes
from region_node.customers.rows import (
    CustomerRow,
    give_up_number,
    insert_customer,
    insert_line,
    lines_after,
    update_line,
)
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.restored import mark_moved, marked_at_home, unmark
from tests.empty_database import empty_database
from tests.unit.situations import FEDERATION, LINE, NOW

HOME, NEW, THIRD = "sichuan", "guangdong", "henan"
NUMBER = LINE.number


def plan_of(*exceptions: NumberException) -> Configuration:
    """A number plan that gives the number to its home by a prefix."""
    configuration = Configuration()
    configuration.number_plan.prefixes.append(PrefixRange(region=HOME, prefixes=[NUMBER[:6]]))
    configuration.number_plan.exceptions.extend(exceptions)
    return configuration


def given(before: Configuration, giver: str, taker: str) -> Configuration:
    """The plan after a region has given the number away."""
    after = assigned(before, NumberException(number=NUMBER, region=taker), giver)
    assert after is not None
    return after


def test_only_the_home_by_the_plan_gives_a_number_away_and_a_repeat_changes_nothing() -> None:
    away = given(plan_of(), HOME, NEW)
    assert NumberPlan(away.number_plan).home_of(NUMBER) == NEW
    assert assigned(away, NumberException(number=NUMBER, region=NEW), HOME) is None
    for thief in (HOME, THIRD):
        with pytest.raises(Refused) as refused:
            assigned(away, NumberException(number=NUMBER, region=THIRD), thief)
        assert refused.value.reason == Reason.REASON_NOT_HOME


def test_a_number_moves_twice_and_back_and_leaves_no_exception_then() -> None:
    twice = given(given(plan_of(), HOME, NEW), NEW, THIRD)
    assert NumberPlan(twice.number_plan).home_of(NUMBER) == THIRD
    assert given(twice, THIRD, HOME) == plan_of()


def test_an_exception_in_force_outlives_a_configuration_from_files_that_does_not_know_of_it() -> None:
    moved, silent, other = given(plan_of(), HOME, NEW), plan_of(), plan_of(NumberException(number=NUMBER, region=THIRD))
    for wanted, home in ((silent, NEW), (other, THIRD)):
        keep_exceptions(moved, wanted)
        assert NumberPlan(wanted.number_plan).home_of(NUMBER) == home
    nothing = Configuration()
    keep_exceptions(Configuration(), nothing)
    assert not nothing.HasField("number_plan")


def test_a_line_restored_from_an_older_database_does_not_make_its_region_the_home_again() -> None:
    moved = Federation(2, with_exception(NEW))
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        before = home_elsewhere(tx, FEDERATION, HOME, NUMBER, has_line=True)
        assert (before, home_elsewhere(tx, moved, HOME, NUMBER, has_line=True)) == (None, NEW)


def test_a_customer_of_a_restored_database_is_marked_as_moved_until_the_plan_names_this_region_again() -> None:
    customer, second = LINE.customer_id, replace(LINE, product_id="product-2", number="+8619851000002")
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        insert_customer(tx, CustomerRow(customer, "陈静", "chen@example.com"))
        insert_line(tx, LINE)
        insert_line(tx, second)
        assert mark_moved(tx, ["+8619851000003"]) == 0, "an exception for a number of nobody here"
        assert mark_moved(tx, [NUMBER, second.number]) == 1
        assert status.status_of(tx, customer) == status.MOVED
        with pytest.raises(Refused) as refused:
            status.require_readable(tx, customer)
        assert refused.value.reason == Reason.REASON_CUSTOMER_MOVED
        assert lines_after(tx, "", "", 10) == [], "no list, reminder or survey has it"
        assert lines_billed(tx, LINE.account_id, Month.at(NOW, "Asia/Shanghai")) == [], "the new home bills it"
        assert mark_moved(tx, [NUMBER]) == 0, "a repeat changes nothing"
        unmark(tx, Federation(2, with_exception(NEW)).number_plan, HOME)
        assert status.status_of(tx, customer) == status.MOVED
        unmark(tx, FEDERATION.number_plan, HOME)
        assert len(lines_billed(tx, LINE.account_id, Month.at(NOW, "Asia/Shanghai"))) == 2
        assert status.status_of(tx, customer) == status.ACTIVE, "the exception was an error, and is corrected"


def test_only_an_active_customer_with_a_line_in_service_is_marked_and_one_who_has_left_stays_moved() -> None:
    cases = {
        "on the way": (LINE, status.MOVING),
        "restricted": (LINE, status.RESTRICTED),
        "erased": (LINE, status.ERASED),
        "terminated": (LINE.terminated(), status.ACTIVE),
    }
    for name, (line, before) in cases.items():
        with contextlib.closing(empty_database("gateway", "region_node")) as connection:
            tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
            insert_customer(tx, CustomerRow(line.customer_id, "陈静", "chen@example.com"))
            insert_line(tx, line)
            status.keep_status(tx, line.customer_id, before)
            assert mark_moved(tx, [NUMBER]) == 0, name
            status.keep_status(tx, line.customer_id, status.MOVED)
            update_line(tx, line.terminated())
            give_up_number(tx, line.terminated())
            assert marked_at_home(tx, FEDERATION.number_plan, HOME) == [], name


def test_both_homes_forward_or_serve_at_once_before_the_plan_names_the_new_one() -> None:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        note_homes(tx, [NUMBER], NEW)
        assert home_elsewhere(tx, FEDERATION, HOME, NUMBER, has_line=False) == NEW
        assert home_elsewhere(tx, FEDERATION, NEW, NUMBER, has_line=True) is None
        back = Federation(2, with_exception(THIRD))
        assert home_elsewhere(tx, back, NEW, NUMBER, has_line=True) is None, "its plan still names the former home"
        forget_homes(tx, [NUMBER])
        assert home_elsewhere(tx, back, NEW, NUMBER, has_line=False) == THIRD


def with_exception(region: str) -> Configuration:
    """The shipped configuration with another home of the number."""
    configuration = Configuration()
    configuration.CopyFrom(FEDERATION.configuration)
    configuration.number_plan.exceptions.append(NumberException(number=NUMBER, region=region))
    return configuration


def test_a_move_is_cancelled_before_its_confirmation_and_never_afterwards() -> None:
    for state in MoveState.values()[1:]:
        move = CustomerMove(state=state)
        if rules.CANCELLED in rules.TRANSITIONS.get(state, ()):
            rules.enter(move, rules.CANCELLED)
            assert state == rules.REQUESTED
            continue
        with pytest.raises(Refused) as refused:
            rules.enter(move, rules.CANCELLED)
        assert refused.value.reason == Reason.REASON_MOVE_DECIDED, rules.state_name(state)


def test_each_line_with_a_card_needs_one_plan_of_the_new_home() -> None:
    good = [MovedLine(number=NUMBER, plan_id="guangdong-79")]
    rules.require_lines({NUMBER: True}, good, FEDERATION, NEW)
    lines, plan = Reason.REASON_MOVE_LINES_INVALID, Reason.REASON_PLAN_UNKNOWN
    wrong: Sequence[tuple[str, Mapping[str, bool], Sequence[MovedLine], Reason.ValueType]] = (
        ("no line", {}, [], lines),
        ("a line without a plan", {NUMBER: True, "+8619851000002": True}, good, lines),
        ("a line twice", {NUMBER: True}, good * 2, lines),
        ("no card", {NUMBER: False}, good, lines),
        ("a plan of the old home", {NUMBER: True}, [MovedLine(number=NUMBER, plan_id="sichuan-59")], plan),
    )
    for name, has_card, moved, reason in wrong:
        with pytest.raises(Refused) as refused:
            rules.require_lines(has_card, moved, FEDERATION, NEW)
        assert refused.value.reason == reason, name
