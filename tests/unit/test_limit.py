"""The limit that finds itself: about as much is under way as takes the time that it should."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.process.limit import ROUND, Limit, Shared

GOAL = 0.1  # seconds
LEAST, MOST = 8, 1024


def limit(first: int = 256) -> Limit:
    return Limit(GOAL, least=LEAST, first=first, most=MOST)


def serve(of: Limit, capacity: float, pieces: int, begun: float = 0.0) -> float:
    """A resource that does `capacity` pieces a second, of as many as the limit allows; the time at the end."""
    now = begun
    for _ in range(pieces):
        under_way = of.value
        seconds = under_way / capacity
        now += 1 / capacity
        of.note(now - seconds, seconds, under_way, now)
    return now


@settings(max_examples=30)
@given(st.floats(min_value=120, max_value=4000), st.sampled_from([LEAST, 256, MOST]))
def test_it_finds_what_a_resource_does_in_the_time_and_follows_when_that_changes(capacity: float, first: int) -> None:
    of = limit(first)
    now = serve(of, capacity, 4_000)
    assert 0.8 * capacity * GOAL - 1 <= of.value <= 1.25 * capacity * GOAL + 1
    slower = max(capacity / 4, 120)
    serve(of, slower, 4_000, now)
    assert 0.8 * slower * GOAL - 1 <= of.value <= 1.25 * slower * GOAL + 1


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5000), st.floats(0, 1000)), max_size=200))
def test_it_stays_between_its_bounds_whatever_it_is_told(told: list[tuple[float, int, float]]) -> None:
    of = limit()
    for seconds, under_way, now in told:
        of.note(now - seconds, seconds, under_way, now)
        assert LEAST <= of.value <= MOST


def test_it_does_not_grow_where_few_are_under_way() -> None:
    of = limit()
    for now in range(10 * ROUND):
        of.note(now, GOAL / 100, 3, now)
    assert of.value == 256


def test_what_began_before_a_change_tells_nothing_of_the_limit_after_it() -> None:
    of = limit()
    for _ in range(10 * ROUND):
        of.note(0.0, 2 * GOAL, 256, 1.0)
    assert of.value == 128


def test_one_piece_that_takes_long_changes_little() -> None:
    of = limit()
    for now in range(ROUND):
        of.note(now, 5.0 if now == 3 else GOAL / 10, 256, now)
    assert of.value >= 256 * GOAL * ROUND / 7


@given(st.lists(st.sampled_from(["big", "big", "big", "small", "other", ""]), max_size=200), st.integers(0, 3))
def test_whoever_has_less_than_a_share_has_room_however_much_another_has(comers: list[str], small: int) -> None:
    of, shared = limit(LEAST), Shared()
    held: list[str] = []
    for each in comers:
        if shared.has_room(each, of.value):
            shared.enter(each)
            held.append(each)
    assert shared.count == len(held)
    owners = len({*held, "late"})
    assert shared.has_room("late", of.value) or owners > LEAST
    for each in held:
        shared.leave(each)
    assert shared.count == 0
    assert shared.has_room("big", of.value)


def test_bytes_are_shared_by_the_owners_who_hold_some() -> None:
    shared = Shared()
    shared.enter("big", 90)
    shared.enter("empty", 0)
    assert not shared.has_room("big", 100, 20)
    assert shared.has_room("small", 100, 33)
    shared.leave("empty", 0)
    assert shared.has_room("small", 100, 50)
    assert not shared.has_room("small", 100, 51)
    shared.leave("big", 90)
    assert (shared.count, shared.has_room("small", 100, 100)) == (0, True)


def test_its_rate_is_that_at_which_pieces_are_done_and_not_that_of_a_full_limit() -> None:
    of = limit()
    for now in range(ROUND):
        of.note(now, 0.05, 20, now)
    assert round(of.rate) == 400
