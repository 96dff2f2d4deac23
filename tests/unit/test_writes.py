"""What the changes of a region may write into the registry within an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.registry.writes import Writes
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name

HOUR = 3600.0
MIB = 1024 * 1024


def test_a_region_writes_the_bytes_of_an_hour_at_once_and_goes_on_as_time_passes() -> None:
    writes = Writes(8 * MIB)
    assert [writes.allows("sichuan", 3 * MIB, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert writes.allows("henan", 3 * MIB, 0.0), "another region has its own"
    assert not writes.allows("sichuan", 1, 400.0), "the last change has exceeded them by a MiB"
    assert writes.allows("sichuan", 1, 500.0)
    assert [writes.allows("sichuan", 3 * MIB, 3 * HOUR) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.tuples(st.integers(0, MIB), st.floats(0.0, 300.0)), max_size=200))
def test_in_no_time_does_a_region_write_more_than_an_hour_at_once_that_time_and_a_change(
    changes: list[tuple[int, float]],
) -> None:
    writes, now, written = Writes(4 * MIB), 0.0, list[tuple[float, int]]()
    for size, pause in changes:
        now += pause
        if writes.allows("sichuan", size, now):
            written.append((now, size))
    for first, (begin, _) in enumerate(written):
        for last, (end, _) in enumerate(written[first:], first):
            most = 4 * MIB * (1 + (end - begin) / HOUR) + MIB
            assert sum(size for _, size in written[first : last + 1]) <= most


def test_a_change_of_nothing_counts_with_its_keys() -> None:
    writes = Writes(1024)
    assert [writes.allows("sichuan", 0, 0.0) for _ in range(5)] == [True, True, True, True, False]


@pytest.mark.parametrize("size", [0, 8 * MIB])
def test_a_change_without_room_counts_nothing(size: int) -> None:
    writes = Writes(MIB)
    assert writes.allows("sichuan", MIB, 0.0)
    assert not any(writes.allows("sichuan", size, 0.5) for _ in range(9))
    assert writes.allows("sichuan", 0, 2.0)


def changed(writes: Writes, *sizes: int, refusal: Reason.ValueType | None = None) -> str:
    """Makes a change of sichuan by decisions that write so many bytes, or is refused; returns the reason."""
    try:
        with writes.change("sichuan", 0.0) as take:
            for size in sizes:
                take(size)
            if refusal is not None:
                raise Refused(refusal)
    except Refused as refused:
        return reason_name(refused.reason)
    return ""


def test_a_change_counts_once_however_often_it_is_decided_anew() -> None:
    writes = Writes(MIB)
    assert [changed(writes, *[MIB // 4] * 9) for _ in range(5)] == [""] * 4 + ["TOO_BUSY"]


def test_of_a_change_that_is_decided_anew_the_last_decision_counts() -> None:
    writes = Writes(MIB)
    assert changed(writes, 2 * MIB, 0) == changed(writes, 0, 2 * MIB) == ""
    assert changed(writes, 0) == "TOO_BUSY"


def test_a_change_without_a_write_counts_nothing() -> None:
    writes = Writes(256)
    assert [changed(writes) for _ in range(9)] == [""] * 9
    assert [changed(writes, 0) for _ in range(2)] == ["", "TOO_BUSY"]


def test_a_refused_change_counts_nothing_unless_it_may_have_been_made() -> None:
    writes = Writes(MIB)
    lost, unknown = Reason.REASON_REGISTRY_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN
    assert [changed(writes, MIB, refusal=lost) for _ in range(9)] == ["REGISTRY_UNAVAILABLE"] * 9
    assert [changed(writes, MIB, refusal=unknown) for _ in range(2)] == ["OUTCOME_UNKNOWN", "TOO_BUSY"]


def test_a_change_that_is_under_way_counts_for_another_one() -> None:
    writes = Writes(MIB)
    with writes.change("sichuan", 0.0) as take:
        take(MIB)
        assert changed(writes, 0) == "TOO_BUSY"
