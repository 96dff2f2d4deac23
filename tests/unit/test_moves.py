"""Who may give a number away, which region is its home, and the course of a move. The hand-over is in tests/crash."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from coordinator.configuration.assigning import is_next
from coordinator.membership.rules import require_ever_joined
from coordinator.oversight.rules import merged_moves
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException, PrefixRange
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader, MoveAwaiting
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MovedLine, MoveState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.assignments import Standing
from gateway.federation.catalogue import Federation
from gateway.federation.numberplan import NumberPlan
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.business.billing.charging import lines_billed
from region_node.business.billing.rules import Month
from region_node.customers import status
from region_node.customers.known_statuses import require_takes_complaints, statuses_of
from region_node.customers.listed_lines import lines_after
from region_node.customers.moved_numbers import forget_homes, has_moved, home_elsewhere, note_homes, note_named
from region_node.customers.operations import readable_line
from region_node.customers.rows import (
    CustomerRow,
    give_up_number,
    insert_customer,
    insert_line,
    is_number_in_use,
    update_line,
)
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.headers import list_headers
from region_node.lifecycle.moving.recovering import lost_numbers
from region_node.lifecycle.moving.restored import (
    free_number,
    mark_moved,
    marked_at_home,
    moved_away,
    stale_line,
    unmark,
)
from region_node.lifecycle.moving.rows import is_behind, keep_move, note_assignments, unnamed
from tests.empty_database import empty_database
from tests.number_assignments import book_of, chain, giver
from tests.unit.situations import FEDERATION, LINE, NOW

HOME, NEW, THIRD = "sichuan", "guangdong", "henan"
NUMBER = LINE.number


@contextlib.contextmanager
def moving_database() -> Iterator[SqliteTransaction]:
    """An empty database of a region."""
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def plan_of(*exceptions: NumberException) -> Configuration:
    """A number plan that gives the number to its home by a prefix."""
    configuration = Configuration()
    configuration.number_plan.prefixes.append(PrefixRange(region=HOME, prefixes=[NUMBER[:6]]))
    configuration.number_plan.exceptions.extend(exceptions)
    return configuration


def test_only_the_home_by_the_plan_gives_a_number_away_and_a_repeat_changes_nothing() -> None:
    plan, (away,) = NumberPlan(plan_of().number_plan), chain(NUMBER, HOME, NEW)
    assert is_next(plan, [], away)
    assert not is_next(plan, [away], away)
    assert not is_next(plan, [away], giver(HOME).gives(NUMBER, NEW, Standing(HOME, 0), NOW + timedelta(hours=1)))
    for thief in (HOME, THIRD):
        with pytest.raises(Refused) as refused:
            is_next(plan, [away], giver(thief).gives(NUMBER, THIRD, Standing(thief, 1)))
        assert refused.value.reason == Reason.REASON_NOT_HOME


def test_an_assignment_that_skips_one_or_is_older_than_the_one_before_is_out_of_order() -> None:
    plan, kept = NumberPlan(plan_of().number_plan), chain(NUMBER, HOME, NEW)
    for name, before in {"skips one": Standing(NEW, 2), "is another first one": Standing(NEW, 0)}.items():
        with pytest.raises(Refused) as refused:
            is_next(plan, kept, giver(NEW).gives(NUMBER, THIRD, before, NOW + timedelta(hours=1)))
        assert refused.value.reason == Reason.REASON_NUMBER_ASSIGNMENT_OUT_OF_ORDER, name
    with pytest.raises(Refused) as refused:
        is_next(plan, kept, giver(NEW).gives(NUMBER, THIRD, Standing(NEW, 1), NOW - timedelta(days=3650)))
    assert refused.value.reason == Reason.REASON_NUMBER_ASSIGNMENT_OUT_OF_ORDER, "it is older"


def test_a_number_that_moves_back_keeps_its_assignment_which_no_line_of_a_restored_database_outweighs() -> None:
    back = Federation(3, plan_of(), book=book_of(chain(NUMBER, HOME, NEW, HOME)))
    assert back.number_plan.home_of(NUMBER) == HOME
    with moving_database() as tx:
        restored = home_elsewhere(tx, back, NEW, NUMBER, has_line=True)
    assert restored == HOME, "the region in between, with a database of the time when it was the home"


def test_of_one_who_came_back_and_left_again_every_region_names_the_last_home_whatever_it_knows_of_the_plan() -> None:
    homes = (HOME, NEW, HOME, THIRD)
    plans = [Federation(3, plan_of(), book=book_of(chain(NUMBER, *homes[:count]))) for count in range(1, 5)]
    for named, known, region in product(plans, plans, (HOME, NEW, "hunan")):
        assert last_home(region, known, named) == THIRD, (region, len(known.number_plan.book.of(NUMBER)))


def test_a_process_that_lags_does_not_take_an_earlier_move_to_the_same_region_for_the_last_one() -> None:
    before, between, named = (
        Federation(3, plan_of(), book=book_of(chain(NUMBER, *homes)))
        for homes in ((HOME, NEW), (HOME, NEW, HOME), (HOME, NEW, HOME, NEW))
    )
    again = CustomerMove(id=f"{HOME}/crm/m3", from_region=HOME, to_region=NEW, state=rules.MOVED)
    again.lines.add(number=NUMBER)
    with moving_database() as tx:
        insert_customer(tx, CustomerRow("customer-1", "陈静", "chen@example.com"))
        keep_move(tx, again, "customer-1")
        assert not is_behind(tx, again, before), "of a move of an earlier version nothing is known"
        note_assignments(tx, again, "customer-1", between)
        keep_move(tx, again, "customer-1")
        assert [is_behind(tx, again, each) for each in (before, between, named)] == [True, False, False]


def test_a_former_home_that_sees_a_number_go_and_come_back_at_once_does_not_give_it_away_again() -> None:
    home, gone, back, again = (
        Federation(3, plan_of(), book=book_of(chain(NUMBER, *homes)))
        for homes in ((HOME,), (HOME, NEW), (HOME, NEW, HOME), (HOME, NEW, HOME, NEW))
    )
    first = CustomerMove(id=f"{HOME}/crm/m1", from_region=HOME, to_region=NEW, state=rules.MOVED)
    third = CustomerMove(id=f"{HOME}/crm/m3", from_region=HOME, to_region=NEW, state=rules.MOVED)
    with moving_database() as tx:
        insert_customer(tx, CustomerRow("customer-1", "陈静", "chen@example.com"))
        for move, known in ((first, home), (third, back)):
            move.lines.add(number=NUMBER)
            keep_move(tx, move, "customer-1")
            note_assignments(tx, move, "customer-1", known)
        assert [unnamed(tx, first, each) for each in (home, gone, back, again)] == [[NUMBER], [], [], []]
        assert [unnamed(tx, third, each) for each in (back, again)] == [[NUMBER], []]


def test_a_customer_who_moved_on_after_the_plan_is_not_lost_and_one_whom_a_later_plan_brings_back_is() -> None:
    came, returned = (
        Federation(3, plan_of(), book=book_of(chain(NUMBER, *homes)))
        for homes in ((HOME, NEW), (HOME, NEW, THIRD, NEW))
    )
    move = CustomerMove(id=f"{NEW}/crm/m2", from_region=NEW, to_region=THIRD, state=rules.MOVED)
    move.lines.add(number=NUMBER)
    with moving_database() as tx:
        assert lost_numbers(tx, came, NEW, [NUMBER])
        insert_customer(tx, CustomerRow("customer-1", "陈静", "chen@example.com"))
        keep_move(tx, move, "customer-1")
        note_assignments(tx, move, "customer-1", came)
        note_homes(tx, [NUMBER], THIRD, "customer-1")
        assert not lost_numbers(tx, came, NEW, [NUMBER])
        assert lost_numbers(tx, returned, NEW, [NUMBER])


def last_home(region: str, known: Federation, named: Federation) -> str:
    """The home to which the regions lead from one, all of which have a copy of the plan that is as old.

    `named` is the newest plan by which a process of theirs has noted the homes of their moves.
    """
    with moving_database() as first, moving_database() as second:
        for tx, numbers in ((first, (NEW, HOME, THIRD)), (second, (NEW, HOME))):
            for index, home in enumerate(numbers):
                note_homes(tx, [NUMBER], home, f"customer-{index}")
                if len(named.number_plan.book.of(NUMBER)) > index:
                    note_named(tx, [NUMBER], home, named)
        for _ in range(4):
            if region == THIRD:
                return region
            if region in (HOME, NEW):
                tx = first if region == HOME else second
                region = home_elsewhere(tx, known, region, NUMBER, has_line=False) or region
            else:
                region = known.number_plan.home_of(NUMBER) or region
    return region


def test_a_number_is_given_to_a_region_that_has_joined_though_it_may_be_suspended_since() -> None:
    joined, absent = MemberState.MEMBER_STATE_SUSPENDED, MemberState.MEMBER_STATE_ABSENT
    members = {NEW: Member(region=NEW, state=joined), THIRD: Member(region=THIRD, state=absent)}
    assert require_ever_joined(members, NEW).region == NEW
    with pytest.raises(Refused) as refused:
        require_ever_joined(members, THIRD)
    assert refused.value.reason == Reason.REASON_REGION_NOT_JOINED


def test_a_line_restored_from_an_older_database_does_not_make_its_region_the_home_again() -> None:
    moved = Federation(2, with_exception(NEW))
    with moving_database() as tx:
        before = home_elsewhere(tx, FEDERATION, HOME, NUMBER, has_line=True)
        assert (before, home_elsewhere(tx, moved, HOME, NUMBER, has_line=True)) == (None, NEW)


def test_a_customer_of_a_restored_database_is_marked_as_moved_until_the_plan_names_this_region_again() -> None:
    moved = Federation(2, with_exception(NEW))
    customer, second = LINE.customer_id, replace(LINE, product_id="product-2", number="+8619851000002")
    with moving_database() as tx:
        insert_customer(tx, CustomerRow(customer, "陈静", "chen@example.com"))
        insert_line(tx, LINE)
        insert_line(tx, second)
        assert mark_moved(tx, ["+8619851000003"], moved, HOME, NOW) == 0, "an exception for a number of nobody here"
        assert mark_moved(tx, [NUMBER, second.number], moved, HOME, NOW) == 1
        assert status.status_of(tx, customer) == status.MOVED
        with pytest.raises(Refused) as refused:
            status.require_readable(tx, customer)
        assert refused.value.reason == Reason.REASON_CUSTOMER_MOVED
        assert lines_after(tx, "", "", 10) == [], "no list, reminder or survey has it"
        assert lines_billed(tx, LINE.account_id, Month.at(NOW, "Asia/Shanghai")) == [], "the new home bills it"
        assert mark_moved(tx, [NUMBER], moved, HOME, NOW) == 0, "a repeat changes nothing"
        unmark(tx, moved, HOME, NOW)
        assert status.status_of(tx, customer) == status.MOVED
        unmark(tx, FEDERATION, HOME, NOW)
        assert status.status_of(tx, customer) == status.MOVED, "a process with an older copy of the plan takes no mark"
        unmark(tx, Federation(3, FEDERATION.configuration), HOME, NOW)
        assert len(lines_billed(tx, LINE.account_id, Month.at(NOW, "Asia/Shanghai"))) == 2
        assert status.status_of(tx, customer) == status.ACTIVE, "the exception was an error, and is corrected"


def test_a_customer_who_came_back_after_the_plan_is_marked_only_by_one_that_knows_of_a_later_move() -> None:
    homes = (HOME, NEW, HOME, THIRD)
    plans = [Federation(3, plan_of(), book=book_of(chain(NUMBER, *homes[:count]))) for count in range(1, 5)]
    exception = plan_of(NumberException(number=NUMBER, region=THIRD, outranked_sequence=2))
    for is_planned in (False, True):
        with moving_database() as tx:
            insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
            insert_line(tx, LINE)
            came_back(tx, plans[1], plans[2] if is_planned else None)
            for plan in plans[:2]:
                assert mark_moved(tx, [NUMBER], plan, HOME, NOW) == 0, "the plan is from before the move"
            ruled = Federation(4, exception, book=plans[2 if is_planned else 1].number_plan.book)
            assert [moved_away(tx, [NUMBER], each, HOME) for each in (plans[3], ruled)] == [{LINE.customer_id}] * 2


def test_a_customer_who_came_by_a_move_of_which_nothing_is_known_is_marked_until_the_plan_names_the_region() -> None:
    with moving_database() as tx:
        insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
        insert_line(tx, LINE)
        note_homes(tx, [NUMBER], HOME, LINE.customer_id)
        assert mark_moved(tx, [NUMBER], Federation(2, with_exception(NEW)), HOME, NOW) == 1
        unmark(tx, Federation(3, with_exception(HOME)), HOME, NOW)
        assert status.status_of(tx, LINE.customer_id) == status.ACTIVE


def came_back(tx: SqliteTransaction, plan: Federation, named: Federation | None) -> None:
    """The customer of the line has moved from NEW to HOME after a plan; `named` is the first that says so, if any."""
    move = CustomerMove(id=f"{NEW}/crm/m2", from_region=NEW, to_region=HOME, state=rules.TAKEN_OVER)
    move.lines.add(number=NUMBER)
    move.is_planned = named is not None
    note_homes(tx, [NUMBER], HOME, LINE.customer_id, named_by=named)
    keep_move(tx, move, LINE.customer_id)
    note_assignments(tx, move, LINE.customer_id, plan)


def test_a_marked_customer_whom_the_plan_names_again_is_refused_for_the_moment_until_the_mark_is_gone() -> None:
    moved, second = Federation(2, with_exception(NEW)), replace(LINE, product_id="product-2", number="+8619851000002")
    back = Federation(3, FEDERATION.configuration)
    with moving_database() as tx:
        insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
        for line in (LINE, second):
            insert_line(tx, line)
        mark_moved(tx, [NUMBER], moved, HOME, NOW)
        assert why_refused(tx, moved, second.number) == Reason.REASON_CUSTOMER_MOVED, "as long as one number is away"
        assert why_refused(tx, back, second.number) == Reason.REASON_CUSTOMER_MOVING
        unmark(tx, back, HOME, NOW)
        assert readable_line(tx, back, HOME, NUMBER, asking=THIRD) == LINE


def why_refused(tx: SqliteTransaction, plan: Federation, number: str) -> Reason.ValueType:
    with pytest.raises(Refused) as refused:
        readable_line(tx, plan, HOME, number, asking=THIRD)
    return refused.value.reason


def test_only_an_active_customer_with_a_line_in_service_is_marked_and_one_who_has_left_stays_moved() -> None:
    cases = {
        "on the way": (LINE, status.MOVING),
        "restricted": (LINE, status.RESTRICTED),
        "erased": (LINE, status.ERASED),
        "terminated": (LINE.terminated(), status.ACTIVE),
    }
    for name, (line, before) in cases.items():
        with moving_database() as tx:
            insert_customer(tx, CustomerRow(line.customer_id, "陈静", "chen@example.com"))
            insert_line(tx, line)
            status.keep_status(tx, line.customer_id, before)
            assert mark_moved(tx, [NUMBER], Federation(2, with_exception(NEW)), HOME, NOW) == 0, name
            status.keep_status(tx, line.customer_id, status.MOVED)
            update_line(tx, line.terminated())
            give_up_number(tx, line.terminated())
            assert marked_at_home(tx, FEDERATION, HOME) == [], name


def test_both_homes_forward_or_serve_at_once_before_the_plan_names_the_new_one() -> None:
    with moving_database() as tx:
        note_homes(tx, [NUMBER], NEW, "customer-1")
        assert home_elsewhere(tx, FEDERATION, HOME, NUMBER, has_line=False) == NEW
        assert home_elsewhere(tx, FEDERATION, NEW, NUMBER, has_line=True) is None
        back = Federation(2, with_exception(THIRD))
        assert home_elsewhere(tx, back, NEW, NUMBER, has_line=True) is None, "its plan still names the former home"
        note_named(tx, [NUMBER], NEW, Federation(2, back.configuration))
        assert home_elsewhere(tx, back, NEW, NUMBER, has_line=False) == THIRD


def test_an_older_copy_of_the_plan_makes_neither_the_old_home_the_home_again_nor_the_new_one_a_stranger() -> None:
    moved, on = Federation(5, with_exception(NEW)), Federation(6, with_exception(THIRD))
    for region, has_line, before in ((HOME, False, FEDERATION), (NEW, True, Federation(4, with_exception(THIRD)))):
        with moving_database() as tx:
            note_homes(tx, [NUMBER], NEW, "customer-1")
            note_named(tx, [NUMBER], THIRD, Federation(3, FEDERATION.configuration))
            note_named(tx, [NUMBER], NEW, moved)
            expected = None if region == NEW else NEW
            for plan in (before, moved):
                assert home_elsewhere(tx, plan, region, NUMBER, has_line=has_line) == expected, (region, plan.revision)
            assert home_elsewhere(tx, on, region, NUMBER, has_line=has_line) == THIRD
            forget_homes(tx, "customer-1")
            assert not has_moved(tx, NUMBER), "the erasure of the customer leaves no trace of the number"


def test_a_process_that_lacks_the_assignment_or_the_configuration_goes_by_the_move() -> None:
    first, second = chain(NUMBER, HOME, NEW, THIRD)
    plans = {count: Federation(5, plan_of(), book=book_of([first, second][:count])) for count in range(3)}
    with moving_database() as tx:
        note_homes(tx, [NUMBER], NEW, "customer-1")
        note_named(tx, [NUMBER], NEW, plans[1])
        homes = [home_elsewhere(tx, plans[count], HOME, NUMBER, has_line=False) for count in range(3)]
        older = Federation(4, plan_of(), book=plans[2].number_plan.book)
        assert homes == [NEW, NEW, THIRD]
        assert home_elsewhere(tx, older, HOME, NUMBER, has_line=False) == NEW
        overruled = Federation(6, plan_of(NumberException(number=NUMBER, region=HOME, outranked_sequence=2)))
        overruled = overruled.with_book(plans[2].number_plan.book, [NUMBER])
        assert home_elsewhere(tx, overruled, HOME, NUMBER, has_line=True) is None, "administrators took it back"


def test_a_customer_comes_back_to_a_region_with_an_older_database_that_has_its_number_still() -> None:
    moved = Federation(2, with_exception(NEW))
    for is_marked in (True, False):
        with moving_database() as tx:
            insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
            insert_line(tx, LINE)
            assert stale_line(tx, NUMBER, FEDERATION, HOME) is None, "its home is here"
            if is_marked:
                mark_moved(tx, [NUMBER], moved, HOME, NOW)
            stale = stale_line(tx, NUMBER, moved, HOME)
            assert stale is not None
            free_number(tx, stale, moved, HOME, NOW)
            assert not is_number_in_use(tx, NUMBER)
            assert status.status_of(tx, LINE.customer_id) == status.MOVED
            assert marked_at_home(tx, Federation(3, FEDERATION.configuration), HOME) == [], "it is another customer now"
            assert lines_billed(tx, LINE.account_id, Month.at(NOW, "Asia/Shanghai")) == []


def test_open_moves_are_listed_by_their_time_with_what_they_wait_for_until_the_plan_names_the_new_home() -> None:
    states = (rules.MOVED, rules.CANCELLED, rules.MOVING, rules.REQUESTED, rules.MOVED, rules.REFUSED)
    with moving_database() as tx:
        insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
        for day, state in enumerate(states):
            move = CustomerMove(id=f"sichuan/counter/m{day}", from_region=HOME, to_region=NEW, state=state)
            move.create_time.CopyFrom(to_timestamp(NOW - timedelta(days=day)))
            move.is_planned = day == 0
            keep_move(tx, move, LINE.customer_id)
        listed = list_headers(tx, None, 10)
        first = listed[0]
        after = (to_microseconds(from_timestamp(first.create_time)), first.id)
        assert list_headers(tx, after, 1) == listed[1:2]
    waits = [(each.id[-1], MoveAwaiting.Name(each.awaiting).removeprefix("MOVE_AWAITING_")) for each in listed]
    assert waits == [("4", "NUMBER_PLAN"), ("3", "CUSTOMER"), ("2", "NEW_HOME")]
    assert [each.HasField("due_time") for each in listed] == [False, True, False]


def test_the_word_of_the_old_home_about_an_open_move_counts_and_without_it_that_of_the_new_one() -> None:
    old = CustomerMoveHeader(id="m", from_region=HOME, to_region=NEW, state=rules.MOVED)
    new = CustomerMoveHeader(id="m", from_region=HOME, to_region=NEW, state=rules.TAKEN_OVER)
    for reports in ({HOME: [old], NEW: [new]}, {NEW: [new], HOME: [old]}):
        assert merged_moves(reports) == [old]
    assert merged_moves({NEW: [new]}) == [new]


def test_a_complaint_about_a_customer_on_the_way_waits_and_about_one_who_has_moved_goes_to_the_new_home() -> None:
    with moving_database() as tx:
        insert_customer(tx, CustomerRow(LINE.customer_id, "陈静", "chen@example.com"))
        insert_line(tx, LINE)
        for state, home, reason in (
            (status.MOVING, HOME, Reason.REASON_CUSTOMER_MOVING),
            (status.ERASED, HOME, Reason.REASON_CUSTOMER_ERASED),
            (status.MOVED, NEW, None),
        ):
            status.keep_status(tx, LINE.customer_id, state)
            known = statuses_of(tx, [NUMBER])
            assert [each.status for each in known] == [state]
            if reason is None:
                require_takes_complaints(home, known)
                continue
            with pytest.raises(Refused) as refused:
                require_takes_complaints(home, known)
            assert refused.value.reason == reason


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
