"""Items of a stream that are known: passed over where they are the same, refused where they are others."""

import contextlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.measurement_service_pb2 import Measurement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.sqlite import SqliteTransaction
from region_node.network.measurements.streams import COMPARED, Piece, Rejected, position, take_once
from tests.empty_database import empty_database

STREAM = "measurements probe s1"


@contextlib.contextmanager
def database() -> Iterator[SqliteTransaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection)


def items(first: int, count: int, *, of: int = 0) -> list[Measurement]:
    """`count` measurements from a number on, of one of several systems."""
    return [Measurement(link=f"system-{of}", delay_us=number) for number in range(first, first + count)]


def send(tx: SqliteTransaction, first: int, told: Sequence[Measurement]) -> tuple[int, int]:
    """How far the stream is, and how many were taken."""
    taken: list[Measurement] = []

    def take(_: object, piece: Piece[Measurement]) -> list[Rejected]:
        taken.extend(piece.items)
        return []

    return take_once(tx, STREAM, Piece(first, told), take, 0).last_sequence, len(taken)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 60), st.integers(1, 20), st.integers(0, 25))
def test_known_items_are_passed_over_where_each_is_the_same_and_refused_at_the_first_that_is_not(
    pieces: list[int], begin: int, count: int, changed: int
) -> None:
    with database() as tx:
        for size in pieces:
            send(tx, position(tx, STREAM) + 1, items(position(tx, STREAM) + 1, size))
        known = sum(pieces)
        first = min(begin, known) + 1
        told = items(first, count)
        at = first + changed
        if changed < count:
            told[changed] = Measurement(link="other", delay_us=at)
        if at <= known and changed < count:
            with pytest.raises(Refused) as raised:
                send(tx, first, told)
            assert raised.value.reason == Reason.REASON_STREAM_NUMBER_REUSED
            assert raised.value.parameters == {"sequence": str(at), "next": str(known + 1)}
            assert position(tx, STREAM) == known
            return
        last = max(known, first + count - 1)
        assert send(tx, first, told) == (last, last - known)


def test_a_system_that_numbers_from_1_again_loses_nothing_silently_however_much_it_sent_before() -> None:
    with database() as tx:
        for first in range(1, COMPARED + 1002, 500):
            send(tx, first, items(first, 500))
        known = position(tx, STREAM)
        for told in (items(1, 3, of=1), items(1, 3)):
            with pytest.raises(Refused) as raised:
                send(tx, 1, told)
            assert raised.value.reason == Reason.REASON_STREAM_OUT_OF_ORDER
            assert raised.value.parameters == {"expected": str(known + 1), "sequence": "1"}
        assert send(tx, known - 600, items(known - 600, 601)) == (known, 0)


def test_a_stream_of_before_contents_were_remembered_goes_on_where_it_was() -> None:
    with database() as tx:
        tx.execute("INSERT INTO network_streams (stream, last_sequence, time) VALUES (:s, 7, 0)", s=STREAM)
        assert send(tx, 1, items(1, 7)) == (7, 0)
        assert send(tx, 6, items(6, 4)) == (9, 2)
        with pytest.raises(Refused):
            send(tx, 8, items(8, 1, of=1))
