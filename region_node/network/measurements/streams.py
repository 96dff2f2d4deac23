"""Streams of reports on the network: pieces are numbered, and each is processed once, however often it comes."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from gateway.api.region.v1.alarm_service_pb2 import RejectedItem
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, text
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_microseconds
from region_node.requests.ahead import answered_in_order
from region_node.requests.checks import require_name

COMPARED = 10_000  # items of a stream with stored content, for comparison: some pieces before the last answer
_DIGEST = 8  # bytes of an item's digest: two items differ by chance in all of them
_LAST_SEQUENCE = 2**62  # more than any stream has

I = TypeVar("I", bound=Message)  # noqa: E741 - an item


@dataclass(frozen=True)
class Piece(Generic[I]):
    """Items that follow each other, by the number of the first."""

    first: int
    items: Sequence[I]

    @property
    def last(self) -> int:
        """The number of the last item."""
        return self.first + len(self.items) - 1


@dataclass(frozen=True)
class Rejected:
    """An item that was not taken."""

    sequence: int
    refused: Refused


@dataclass(frozen=True)
class Answer:
    """The progress of a stream, and the rejected items of the piece."""

    last_sequence: int
    rejected: Sequence[Rejected] = ()


Take = Callable[[Transaction, Piece[I]], Sequence[Rejected]]
"""Processes the items of a piece in a transaction; returns the rejected ones."""


def require_source(source: str, *, is_alone: bool) -> None:
    """Raises Refused unless the first message of a stream names the stream, and nothing else."""
    require_name("source", source)
    if not is_alone:
        raise invalid("source", "not alone in the first message", "首条消息须仅含此项")


def require_piece(source: str, first: int, count: int, limit: int) -> None:
    """Raises Refused unless a message after the first one has items, within the limit."""
    if source or not 0 < count <= limit:
        raise invalid("items", f"not 1 to {limit}", f"须为1至{limit}项")
    if not 0 < first < _LAST_SEQUENCE:
        raise invalid("first_sequence", "out of range", "超出范围")


def rejected_items(rejected: Sequence[Rejected]) -> Sequence[RejectedItem]:
    """Rejected items as messages of the contract."""
    return [
        RejectedItem(
            sequence=each.sequence,
            reason=each.refused.reason,
            message=text(each.refused.reason, each.refused.parameters),
        )
        for each in rejected
    ]


def position(tx: Transaction, stream: str) -> int:
    """The number of the last processed item of a stream; 0 for a new stream."""
    return tx.first(int, "SELECT last_sequence FROM network_streams WHERE stream = :stream", stream=stream) or 0


def take_once(tx: Transaction, stream: str, piece: Piece[I], take: Take[I], now: int) -> Answer:
    """Processes the new items of a piece.

    Raises Refused with STREAM_OUT_OF_ORDER for a gap before the piece, or a beginning too old to compare. Raises
    Refused with STREAM_NUMBER_REUSED for other items with known numbers.
    """
    known = position(tx, stream)
    if piece.first > known + 1:
        raise Refused(Reason.REASON_STREAM_OUT_OF_ORDER, expected=str(known + 1), sequence=str(piece.first))
    digests = [_digest(each) for each in piece.items]
    if piece.first <= known:
        _require_same(tx, stream, piece.first, digests, known)
    if piece.last <= known:
        return Answer(known)
    new = piece if piece.first == known + 1 else Piece(known + 1, piece.items[known + 1 - piece.first :])
    rejected = take(tx, new)
    sql = "UPDATE network_streams SET last_sequence = :last, time = :time WHERE stream = :stream"
    if not tx.execute(sql, stream=stream, last=piece.last, time=now):
        sql = "INSERT INTO network_streams (stream, last_sequence, time) VALUES (:stream, :last, :time)"
        tx.execute(sql, stream=stream, last=piece.last, time=now)
    _remember(tx, stream, piece.last, digests[new.first - piece.first :])
    return Answer(piece.last, rejected)


def _digest(item: Message) -> bytes:
    return hashlib.blake2b(item.SerializeToString(deterministic=True), digest_size=_DIGEST).digest()


def _require_same(tx: Transaction, stream: str, first: int, digests: Sequence[bytes], known: int) -> None:
    """Raises Refused unless known items equal the processed ones; without stored content, nothing is compared."""
    columns = "SELECT last_sequence, digests FROM network_stream_items WHERE stream = :stream"
    oldest = tx.first(_Kept, f"{columns} ORDER BY last_sequence LIMIT 1", stream=stream)
    if oldest is None:
        return
    if first < oldest.first:
        raise Refused(Reason.REASON_STREAM_OUT_OF_ORDER, expected=str(known + 1), sequence=str(first))
    told, last = dict(enumerate(digests, first)), first + len(digests) - 1
    for each in tx.all(
        _Kept,
        f"{columns} AND last_sequence >= :first AND last_sequence < :beyond ORDER BY last_sequence",
        stream=stream,
        first=first,
        beyond=last + COMPARED,  # no piece is longer
    ):
        for number, digest in each.by_number():
            if told.get(number, digest) != digest:
                raise Refused(Reason.REASON_STREAM_NUMBER_REUSED, sequence=str(number), next=str(known + 1))


def _remember(tx: Transaction, stream: str, last: int, digests: Sequence[bytes]) -> None:
    tx.execute(
        "INSERT INTO network_stream_items (stream, last_sequence, digests) VALUES (:stream, :last, :digests)",
        stream=stream,
        last=last,
        digests=b"".join(digests),
    )
    sql = "DELETE FROM network_stream_items WHERE stream = :stream AND last_sequence <= :before"
    tx.execute(sql, stream=stream, before=last - COMPARED)


@dataclass(frozen=True)
class _Kept:
    """The digests of a piece that was taken."""

    last_sequence: int
    digests: bytes

    @property
    def first(self) -> int:
        return self.last_sequence - len(self.digests) // _DIGEST + 1

    def by_number(self) -> Iterator[tuple[int, bytes]]:
        """Each, with the number of its item."""
        for at in range(0, len(self.digests), _DIGEST):
            yield self.first + at // _DIGEST, self.digests[at : at + _DIGEST]


class PieceStream(Generic[I]):
    """A connection of one stream."""

    def __init__(self, store: Store, clock: Clock, stream: str, take: Take[I]) -> None:
        self._store = store
        self._clock = clock
        self._stream = stream
        self._take = take

    async def answers(self, pieces: AsyncIterator[Piece[I]]) -> AsyncIterator[Answer]:
        """The progress of the stream, then the answer to each piece once it is durable.

        Raises Refused for an unacceptable piece: earlier pieces are answered; that piece and later ones have no effect.
        """
        yield Answer(await self._store.read(lambda tx: position(tx, self._stream)))
        async with aclosing(answered_in_order(pieces, self._submit)) as answers:
            async for each in answers:
                yield each

    def _submit(self, piece: Piece[I]) -> Awaitable[Answer]:
        now = to_microseconds(self._clock.now())
        return self._store.write(lambda tx: take_once(tx, self._stream, piece, self._take, now))
