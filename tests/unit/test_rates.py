"""Rates: how often a caller may do something."""

from gateway.rpc.rates import Rate


def test_a_caller_has_its_burst_and_then_its_rate() -> None:
    rate = Rate(burst=3, per_second=2.0)
    assert [rate.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [rate.allows("a", 0.5) for _ in range(2)] == [True, False]
    assert [rate.allows("a", 60.0) for _ in range(4)] == [True, True, True, False]


def test_a_caller_beyond_its_burst_waits_for_as_long_as_its_rate_takes_and_another_does_not() -> None:
    rate = Rate(burst=3, per_second=2.0)
    assert [rate.seconds_until("a", 0.0, count, 1.5) for count in (3, 1, 2)] == [0.0, 0.5, 1.5]
    assert rate.seconds_until("a", 0.0, 1, 1.5) is None
    assert rate.seconds_until("a", 1.0, 1, 1.5) == 1.0, "the refused action did not count"
    assert rate.seconds_until("b", 1.0, 4, 1.5) == 0.5
    assert rate.seconds_until("a", 60.0, 3, 1.5) == 0.0


def test_an_action_that_counts_as_several_needs_room_for_one_and_the_next_one_waits_for_longer() -> None:
    rate = Rate(burst=3, per_second=2.0)
    assert [rate.allows("a", 0.0, count) for count in (2, 5, 1)] == [True, True, False]
    assert [rate.allows("a", later) for later in (2.0, 2.4, 2.5)] == [False, False, True]


def test_one_caller_takes_nothing_from_another() -> None:
    rate = Rate(burst=1, per_second=1.0)
    assert rate.allows("a", 0.0)
    assert not rate.allows("a", 0.0)
    assert rate.allows("b", 0.0)


def test_a_caller_asks_whether_it_has_room_without_taking_any() -> None:
    rate = Rate(burst=1, per_second=2.0)
    assert [rate.has_room("a", 0.0) for _ in range(3)] == [True, True, True]
    assert rate.allows("a", 0.0)
    assert [rate.has_room("a", later) for later in (0.0, 0.4, 0.5)] == [False, False, True]


def test_an_action_that_was_counted_may_be_given_back() -> None:
    rate = Rate(burst=3, per_second=2.0)
    assert rate.allows("a", 0.0, 3)
    rate.count("a", 0.0, -2)
    assert [rate.allows("a", 0.0) for _ in range(3)] == [True, True, False]


def test_callers_that_have_stopped_are_forgotten_and_those_that_have_not_are_held() -> None:
    rate = Rate(burst=1, per_second=0.01)
    assert rate.allows("held", 50.0)
    assert all(rate.allows(f"gone-{number}", -200.0) for number in range(1500))
    assert rate.allows("new", 60.0)
    assert not rate.allows("held", 60.0)
