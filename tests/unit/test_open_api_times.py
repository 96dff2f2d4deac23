"""Times of the Open API as protobuf's own JSON has them."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.region.v1.order_pb2 import Note
from region_node.open_api.resources import told_instant, told_last_time

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # years 1 to 9999


@given(st.integers(_EARLIEST, _LATEST), st.integers(0, 999_999_999) | st.integers(0, 999_999).map(lambda us: us * 1000))
@example(-1, 500_000_000)
@example(0, 1_000)
@example(0, 20_000_000)
@example(0, 1)
@example(_LATEST, 999_999_000)
def test_a_time_has_the_digits_that_protobuf_gives_it(seconds: int, nanos: int) -> None:
    time = Timestamp(seconds=seconds, nanos=nanos)
    assert told_instant(time) == time.ToJsonString()


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(0, -1_000), (0, 1_000_000_000), (_LATEST + 1, 0), (_LATEST + 1, 1_000)]
)
def test_a_time_that_is_none_is_told_by_an_error(seconds: int, nanos: int) -> None:
    time = Timestamp(seconds=seconds, nanos=nanos)
    for told in (time.ToJsonString, lambda: told_instant(time)):
        with pytest.raises(ValueError):  # noqa: PT011 - protobuf's own text
            told()


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2)), min_size=1))
def test_the_last_time_of_several_lists_is_the_latest_of_all(found: list[tuple[int, int]]) -> None:
    notes = [Note(time=Timestamp(seconds=seconds, nanos=nanos)) for seconds, nanos in found]
    last = max((each.time for each in notes), key=Timestamp.ToNanoseconds)
    assert told_last_time(notes[::2], notes[1::2], []) == told_instant(last)
