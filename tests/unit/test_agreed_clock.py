"""The agreed time of day: no step of the machine's clock moves it, and nothing depends on it before it is settled."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.time.agreed_clock import (
    LISTENING,
    LONGEST_ALONE,
    OPINION_COUNTS,
    SHORT_ABSENCE,
    AgreedClock,
    Evidence,
    Opinion,
    Standing,
    standing,
)
from gateway.time.clock import MAX_CLOCK_ERROR

NOW = datetime(2026, 11, 29, 5, tzinfo=UTC)
SECOND, DAY, YEAR = timedelta(seconds=1), timedelta(days=1), timedelta(days=365)
ERRORS = st.timedeltas(-4 * YEAR, 4 * YEAR)
HARMLESS = st.timedeltas(-MAX_CLOCK_ERROR, MAX_CLOCK_ERROR)
HARMFUL = ERRORS.filter(lambda each: abs(each) > MAX_CLOCK_ERROR)


class Machine:
    """A machine's clocks: time passes for both, and a step moves one of them."""

    def __init__(self) -> None:
        self.passed, self.error = 0.0, timedelta(0)

    def now(self) -> datetime:
        return self.true + self.error

    def steady(self) -> float:
        return 1000.0 + self.passed

    @property
    def true(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)


def started(machine: Machine, last: datetime | None = None) -> AgreedClock:
    clock = AgreedClock(machine)
    clock.start_from(last)
    return clock


def trusted(clock: AgreedClock) -> bool:
    try:
        clock.require_trusted()
    except Refused:
        return False
    return True


def agreed(machine: Machine) -> AgreedClock:
    clock = started(machine)
    clock.hear("coordinator", machine.true)
    return clock


@given(HARMFUL, st.floats(0, OPINION_COUNTS * 3))
def test_a_step_of_the_clock_moves_no_time_and_holds_everything_off_until_it_is_taken_back(
    error: timedelta, later: float
) -> None:
    machine = Machine()
    clock = agreed(machine)
    assert clock.is_settled()
    machine.error = error
    machine.passed += later
    assert (clock.is_settled(), trusted(clock)) == (False, False)
    assert abs(clock.now() - machine.true) < timedelta(milliseconds=1)
    assert clock.wall() == machine.true + error
    machine.error = timedelta(0)
    assert (clock.is_settled(), trusted(clock)) == (True, True)


@given(HARMFUL, st.floats(0, LISTENING - 0.001))
def test_a_step_before_anybody_has_confirmed_the_clock_moves_no_time(error: timedelta, later: float) -> None:
    machine = Machine()
    clock = started(machine, NOW - SECOND)
    machine.error = error
    machine.passed += later
    assert not clock.is_settled()
    assert abs(clock.now() - machine.true) < timedelta(milliseconds=1)
    clock.hear("coordinator", machine.true + error)
    assert (clock.is_settled(), trusted(clock), clock.now()) == (True, True, machine.true + error)


def test_a_clock_that_is_put_right_after_the_start_counts_where_nobody_answers() -> None:
    machine = Machine()
    clock = started(machine, NOW - SECOND)
    machine.error = timedelta(hours=3)
    machine.passed += LISTENING
    assert (clock.is_settled(), trusted(clock), clock.now()) == (True, True, machine.true + machine.error)


@given(HARMLESS, HARMLESS)
def test_a_skew_within_the_bound_is_harmless(own: timedelta, theirs: timedelta) -> None:
    machine = Machine()
    machine.error = own
    clock = started(machine)
    clock.hear("coordinator", machine.now() + theirs)
    assert clock.is_settled()
    assert clock.now() == machine.now()


@given(ERRORS)
def test_a_step_that_others_confirm_is_the_time_from_then_on(step: timedelta) -> None:
    machine = Machine()
    clock = agreed(machine)
    machine.error = step  # such as after a virtual machine has stood still
    clock.hear("coordinator", machine.now())
    assert clock.is_settled()
    assert clock.now() == machine.now()


@given(st.lists(st.one_of(HARMFUL, HARMLESS), min_size=1, max_size=7))
def test_with_this_clock_the_majority_decides(errors: list[timedelta]) -> None:
    opinions = {f"{name}": Opinion(NOW - NOW + error, 0.0) for name, error in enumerate(errors)}
    found = standing(Evidence(0.0, opinions=opinions), timedelta(0), 1.0)
    agreeing = 1 + sum(abs(each) <= MAX_CLOCK_ERROR for each in errors)
    assert (found == Standing.SETTLED) == (2 * agreeing > len(errors) + 1 or 2 * agreeing == len(errors) + 2)
    assert found != Standing.UNPROVEN


def test_a_clock_that_is_wrong_from_the_start_is_found_by_the_first_who_answers() -> None:
    machine = Machine()
    machine.error = 4 * YEAR
    clock = started(machine, NOW - DAY)
    assert (clock.is_settled(), trusted(clock)) == (False, False), "no year passes without a sign of life"
    assert clock.now() == machine.now()
    clock.hear("coordinator", machine.true)
    assert (clock.is_settled(), trusted(clock)) == (False, False)
    assert clock.now() == machine.true, "the database's time speaks for the coordinator"
    machine.error = timedelta(0)
    assert (clock.is_settled(), trusted(clock)) == (True, True)


@given(ERRORS)
def test_alone_a_start_counts_from_the_time_that_the_database_kept(since: timedelta) -> None:
    machine = Machine()
    clock = started(machine, NOW - since)
    assert not clock.is_settled(), "somebody may still answer"
    assert trusted(clock) == (-MAX_CLOCK_ERROR <= since <= SHORT_ABSENCE)
    machine.passed += LISTENING
    is_believed = -MAX_CLOCK_ERROR <= since + timedelta(seconds=LISTENING) <= LONGEST_ALONE
    assert (clock.is_settled(), trusted(clock)) == (is_believed, is_believed)
    machine.error = 2 * MAX_CLOCK_ERROR
    assert not (is_believed and clock.is_settled()), "alone, the steady clock tells of a step"


@pytest.mark.parametrize("answers", [True, False], ids=["somebody", "nobody"])
def test_after_a_long_absence_a_clock_dates_nothing_until_somebody_answers_or_nobody_does(answers: bool) -> None:
    machine = Machine()
    clock = started(machine, NOW - LONGEST_ALONE + DAY)  # or the machine is weeks ahead, after a short one
    assert not trusted(clock)
    machine.passed += LISTENING / 2
    assert not trusted(clock)
    if answers:
        clock.hear("coordinator", machine.true)
    else:
        machine.passed += LISTENING / 2
    assert trusted(clock)
    assert clock.now() == machine.true


@pytest.mark.parametrize("last", [NOW - SHORT_ABSENCE, NOW, None], ids=["long ago", "now", "new database"])
def test_after_a_restart_and_with_a_new_database_a_clock_dates_work_at_once(last: datetime | None) -> None:
    assert trusted(started(Machine(), last))


def ahead_of_its_database() -> tuple[Machine, AgreedClock]:
    """A clock that is right, where a process with a wrong one has kept a time of the future."""
    machine = Machine()
    clock = started(machine, NOW + DAY)
    machine.passed += LISTENING
    assert (clock.is_settled(), trusted(clock)) == (False, False)
    return machine, clock


def test_alone_a_clock_is_settled_by_a_time_that_people_confirm_and_keeps_it_from_then_on() -> None:
    machine, clock = ahead_of_its_database()
    clock.take_confirmed(machine.true)
    assert (clock.is_settled(), trusted(clock), clock.now()) == (True, True, machine.true)
    machine.error = 2 * MAX_CLOCK_ERROR
    assert not clock.is_settled(), "a step counts as ever"


@given(HARMFUL)
def test_a_confirmed_time_that_the_machine_does_not_show_settles_nothing(error: timedelta) -> None:
    machine, clock = ahead_of_its_database()
    clock.take_confirmed(machine.true + error)
    assert not clock.is_settled()


def test_nobody_confirms_a_clock_against_others_who_are_heard() -> None:
    machine, clock = ahead_of_its_database()
    clock.hear("coordinator", machine.true + YEAR)
    clock.take_confirmed(machine.true)
    assert (clock.is_alone(), clock.is_settled()) == (False, False)


def test_a_coordinator_whose_clock_is_wrong_moves_no_time_of_a_node_that_starts() -> None:
    machine = Machine()
    clock = started(machine, NOW - DAY)
    clock.hear("coordinator", machine.true + YEAR)
    assert not clock.is_settled()
    assert clock.now() == machine.true


def test_a_new_database_has_nothing_to_compare_with() -> None:
    machine = Machine()
    clock = started(machine)
    assert not clock.is_settled()
    machine.passed += LISTENING
    assert clock.is_settled()


@given(st.lists(st.timedeltas(timedelta(0), MAX_CLOCK_ERROR), max_size=20))
def test_alone_small_steps_do_not_add_up(steps: list[timedelta]) -> None:
    machine = Machine()
    clock = agreed(machine)
    machine.passed += OPINION_COUNTS + 1
    for step in steps:
        machine.error += step
        clock.is_settled()
        assert abs(clock.now() - machine.true) <= MAX_CLOCK_ERROR


def test_who_was_not_heard_for_long_has_no_say() -> None:
    machine = Machine()
    clock = agreed(machine)
    clock.hear("a wrong coordinator", machine.true + YEAR)
    clock.hear("another one", machine.true + YEAR)
    assert not clock.is_settled()
    machine.passed += OPINION_COUNTS + 1
    clock.hear("coordinator", machine.true)
    assert clock.is_settled()


@given(HARMFUL)
def test_who_was_last_heard_before_all_clocks_stepped_does_not_outvote_who_is_heard_since(step: timedelta) -> None:
    machine = Machine()
    clock = started(machine)
    for gone in ("one", "another one"):
        clock.hear(gone, machine.true)
    machine.passed += 1
    clock.hear("coordinator", machine.true)
    machine.passed += 1
    clock.hear("coordinator", machine.true + step)
    assert clock.is_settled(), "they alone say so, and the clock has not stepped"
    clock.hear("coordinator", machine.true)
    machine.error = step
    clock.hear("coordinator", machine.now())
    assert clock.is_settled()
    assert clock.now() == machine.now()


@pytest.mark.parametrize("told", [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)])
def test_a_time_at_the_end_of_the_calendar_is_an_opinion_like_any_other(told: datetime) -> None:
    machine = Machine()
    clock = agreed(machine)
    clock.hear("liar", told)
    assert clock.is_settled()
    assert abs(clock.difference()) > MAX_CLOCK_ERROR or clock.difference() == timedelta(0)


def test_how_long_everything_has_waited_is_known() -> None:
    machine = Machine()
    clock = agreed(machine)
    assert clock.unsettled_seconds() == 0.0
    machine.error = YEAR
    machine.passed += 90.0
    assert clock.unsettled_seconds() == pytest.approx(90.0)
    assert clock.difference() == pytest.approx(YEAR, abs=SECOND)


@given(st.integers(1, 5), HARMFUL)
def test_several_contradict_a_clock_that_was_wrong_at_its_start_and_one_alone_does_not(
    others: int, error: timedelta
) -> None:
    machine = Machine()
    machine.error = error
    clock = started(machine)
    for number in range(others):
        clock.hear(f"region-{number}", machine.true, machine.steady())
    assert clock.is_contradicted() == (others >= 2)


def test_others_that_are_wrong_in_different_ways_contradict_nobody() -> None:
    machine = Machine()
    clock = started(machine)
    for region, error in (("guangdong", DAY), ("sichuan", -DAY)):
        clock.hear(region, machine.true + error, machine.steady())
    assert not clock.is_contradicted()


def test_a_step_of_the_machine_makes_no_time_wrong_that_others_have_confirmed() -> None:
    machine = Machine()
    clock = agreed(machine)
    for region in ("guangdong", "sichuan"):
        clock.hear(region, machine.true, machine.steady())
    machine.error = YEAR
    assert not clock.is_contradicted()
