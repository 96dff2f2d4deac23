"""What the changes of a region may write into the registry within an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.registry.writes import Writes
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

HOUR = 3600.0
MIB = 1024 * 1024


def taken(writes: Writes, region: str, size: int, now: float) -> bool:
    try:
        writes.take(region, size, now)
    except Refused as refused:
        if refused.reason != Reason.REASON_TOO_BUSY:
            raise
        return False
    return True


def test_a_region_writes_the_bytes_of_an_hour_at_once_and_goes_on_as_time_passes() -> None:
    writes = Writes(8 * MIB)
    assert [taken(writes, "sichuan", 3 * MIB, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert taken(writes, "henan", 3 * MIB, 0.0), "another region has its own"
    assert not taken(writes, "sichuan", 1, 400.0), "the last change has exceeded them by a MiB"
    assert taken(writes, "sichuan", 1, 500.0)
    assert [taken(writes, "sichuan", 3 * MIB, 3 * HOUR) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.tuples(st.integers(0, MIB), st.floats(0.0, 300.0)), max_size=200))
def test_in_no_time_does_a_region_write_more_than_an_hour_at_once_that_time_and_a_change(
    changes: list[tuple[int, float]],
) -> None:
    writes, now, written = Writes(4 * MIB), 0.0, list[tuple[float, int]]()
    for size, pause in changes:
        now += pause
        if taken(writes, "sichuan", size, now):
            written.append((now, size))
    for first, (begin, _) in enumerate(written):
        for last, (end, _) in enumerate(written[first:], first):
            most = 4 * MIB * (1 + (end - begin) / HOUR) + MIB
            assert sum(size for _, size in written[first : last + 1]) <= most


def test_a_change_of_nothing_counts_with_its_keys() -> None:
    writes = Writes(1024)
    assert [taken(writes, "sichuan", 0, 0.0) for _ in range(5)] == [True, True, True, True, False]


@pytest.mark.parametrize("size", [0, 8 * MIB])
def test_a_change_without_room_counts_nothing(size: int) -> None:
    writes = Writes(MIB)
    assert taken(writes, "sichuan", MIB, 0.0)
    assert not any(taken(writes, "sichuan", size, 0.5) for _ in range(9))
    assert taken(writes, "sichuan", 0, 2.0)
