"""Instants between Python, columns and messages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.order_pb2 import Order
from gateway.time.clock import (
    SystemClock,
    dated,
    from_microseconds,
    from_timestamp,
    times_are_dated,
    to_microseconds,
    to_timestamp,
)

# What a Timestamp can hold: the years 1 to 9999.
INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-11))]))


@given(INSTANTS)
def test_an_instant_survives_a_column(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant


@given(INSTANTS)
def test_an_instant_survives_a_message(instant: datetime) -> None:
    assert from_timestamp(to_timestamp(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_columns_sort_as_instants_do(one: datetime, other: datetime) -> None:
    assert (to_microseconds(one) < to_microseconds(other)) == (one < other)


@given(INSTANTS)
def test_a_message_is_valid_also_before_1970(instant: datetime) -> None:
    timestamp = to_timestamp(instant)
    assert 0 <= timestamp.nanos < 1_000_000_000
    assert timestamp.ToDatetime(UTC) == instant


def test_a_message_finer_than_microseconds_is_cut_never_rounded_up() -> None:
    assert from_timestamp(Timestamp(seconds=1, nanos=999_999_999)) == datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)


def test_a_date_of_people_is_far_enough_from_both_ends_of_the_calendar_for_zones_and_terms() -> None:
    for day in (datetime(3, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)):
        assert dated(to_timestamp(day)) == day
    for day in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)):
        with pytest.raises(OverflowError):
            dated(to_timestamp(day))


def test_what_comes_out_is_in_utc() -> None:
    assert from_microseconds(0).tzinfo is UTC
    assert from_timestamp(Timestamp()).tzinfo is UTC
    assert SystemClock().now().tzinfo is UTC


def test_an_instant_without_a_zone_is_a_defect() -> None:
    with pytest.raises(TypeError):
        to_microseconds(datetime(2026, 11, 24))  # noqa: DTZ001 - the defect


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order, told: order.create_time.CopyFrom(told),
        lambda order, told: order.request.documents.add().verify_time.CopyFrom(told),
        lambda order, told: order.expected_completion_time.CopyFrom(told),
        lambda order, told: order.state_changes.add().time.CopyFrom(told),
        lambda order, told: order.notes.add().time.CopyFrom(told),
        lambda order, told: order.awaiting.due_time.CopyFrom(told),
    ],
)
@pytest.mark.parametrize(
    "told", [Timestamp(seconds=2**62), Timestamp(seconds=-(2**62)), Timestamp(nanos=-1), Timestamp(nanos=10**9)]
)
def test_an_instant_outside_of_the_calendar_is_found_wherever_a_message_has_it(
    spoil: Callable[[Order, Timestamp], None], told: Timestamp
) -> None:
    order = Order(create_time=Timestamp(seconds=1))
    order.request.documents.add().verify_time.CopyFrom(Timestamp(seconds=1))
    assert times_are_dated(order)
    spoil(order, told)
    assert not times_are_dated(order)
