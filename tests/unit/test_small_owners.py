"""Owners are small while they bring few pieces of work at a time, and short ones."""

from gateway.process.small_owners import BURST, PRESENT, SmallOwners

FEW = 4
SOON = 0.5  # seconds


def test_an_owner_with_few_pieces_at_a_time_is_small_until_it_is_silent_for_a_while() -> None:
    small = SmallOwners(FEW)
    small.note("a", FEW, 0.0)
    small.note("b", FEW + 1, SOON)
    assert ("a" in small, "b" in small, len(small)) == (True, False, 1)
    small.note("b", FEW + 1, PRESENT)
    assert "a" in small
    small.note("b", FEW + 1, PRESENT + SOON)
    assert not small


def test_an_owner_that_had_many_pieces_at_a_time_is_small_again_soon() -> None:
    small = SmallOwners(FEW)
    small.note("a", 1, 0.0)
    small.note("a", FEW + 1, SOON)
    small.note("a", 1, BURST + SOON)
    assert not small
    small.note("a", 1, BURST + 2 * SOON)
    assert "a" in small


def test_an_owner_with_a_long_piece_is_slow_and_small_again_soon() -> None:
    small = SmallOwners(FEW)
    small.note("a", 1, 0.0)
    small.note("a", 1, SOON, is_long=True)
    small.note("a", 1, BURST + SOON)
    assert ("a" in small, "a" in small.slow) == (False, True)
    small.note("a", 1, BURST + 2 * SOON)
    assert ("a" in small, "a" in small.slow) == (True, False)


def test_an_owner_with_many_long_pieces_is_not_slow() -> None:
    small = SmallOwners(FEW)
    small.note("a", 1, 0.0, is_long=True)
    small.note("a", FEW + 1, 0.0, is_long=True)
    small.note("a", 1, SOON, is_long=True)
    assert ("a" in small, "a" in small.slow) == (False, False)
