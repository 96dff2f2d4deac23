"""Which process sends an envelope, where several work on one database.

Each envelope is claimed by the number of one process. A process shows that it lives by counting up its row; one whose
count stands still for a lease, by the clock that only runs forward of whoever looks, has lost what it claimed. Sending
twice does no harm, so a process that was only frozen may go on when it wakes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.relay.envelopes import Sealed
from gateway.relay.lanes import Lanes
from gateway.relay.outbox import HandedOver, handed_over_to, sealed_from
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store, Transaction

BEAT_SECONDS = 1.0  # between two signs of life
LEASE_SECONDS = 5.0  # without one, after which another process takes over
_TAKE = "UPDATE outbox SET claimed_by = :number, handed_over = 0 WHERE closed IS NULL"
_TAKE_ALL = f"{_TAKE} RETURNING created, content, signature"
_TAKE_OWN = f"{_TAKE} AND claimed_by = :number RETURNING created, content, signature"
_TAKE_HANDED_OVER = f"{_TAKE} AND claimed_by = :number AND handed_over = 1 RETURNING created, content, signature"
_TAKE_ORPHANED = f"{_TAKE} AND claimed_by NOT IN (SELECT number FROM processes) RETURNING created, content, signature"  # noqa: S608 - constants
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beats:
    """How far the processes of a database have counted, by number."""

    by_number: Mapping[int, int]


def beat(tx: Transaction, number: int) -> Beats:
    """Shows that this process lives, and looks at all."""
    tx.execute(
        "INSERT INTO processes (number, beats) VALUES (:number, 1)"
        " ON CONFLICT (number) DO UPDATE SET beats = processes.beats + 1",
        number=number,
    )
    return Beats(dict(tx.all(_pair, "SELECT number, beats FROM processes ORDER BY number")))


def leave(tx: Transaction, number: int) -> None:
    """Ends what this process claims: the next that looks takes it over."""
    tx.execute("DELETE FROM processes WHERE number = :number", number=number)


def take_all(tx: Transaction, number: int) -> list[Sealed]:
    """Claims every open envelope, for a process that is alone on its database; oldest first."""
    return _in_order(tx.all(_row, _TAKE_ALL, number=number))


def take_own(tx: Transaction, number: int) -> list[Sealed]:
    """The open envelopes that this number claimed before; oldest first."""
    return _in_order(tx.all(_row, _TAKE_OWN, number=number))


def take_handed_over(tx: Transaction, number: int) -> list[Sealed]:
    """The envelopes that other processes have left to this one; oldest first."""
    return _in_order(tx.all(_row, _TAKE_HANDED_OVER, number=number))


def take_over(tx: Transaction, number: int, silent: Iterable[int]) -> list[Sealed]:
    """Claims what silent processes, and those that are gone, have left behind; oldest first."""
    for each in silent:
        leave(tx, each)
    return _in_order(tx.all(_row, _TAKE_ORPHANED, number=number))


class Silence:
    """Finds the processes whose count stands still. Pure: the time is given, in seconds of a clock that only runs."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._seen: dict[int, tuple[int, float]] = {}

    def silent(self, beats: Beats, now: float) -> list[int]:
        """The others that have not counted for a lease, since this process began to look."""
        seen = {}
        for number, count in beats.by_number.items():
            before = self._seen.get(number)
            seen[number] = before if before is not None and before[0] == count else (count, now)
        self._seen = seen
        return [
            number for number, (_, since) in seen.items() if number != self._number and now - since >= LEASE_SECONDS
        ]


class Claims:
    """Keeps the claims of this process, and takes over those of processes that fell silent."""

    def __init__(self, store: Store, number: int, lanes: Lanes) -> None:
        self._store = store
        self._number = number
        self._lanes = lanes
        self._silence = Silence(number)
        self._silent: Sequence[int] = ()
        self._told = asyncio.Event()
        self._may_have_missed = False
        store.subscribe(OutcomeLost, self._outcome_lost)
        store.subscribe(HandedOver, self._handed_over)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def start(self) -> None:
        """Takes up what an earlier process of this number, or on a database of one's own any, has left."""
        if not self._store.is_shared:
            self._send_perhaps_again(await self._store.write(lambda tx: take_all(tx, self._number)))
            return
        await self._store.write(lambda tx: beat(tx, self._number))
        self._send_perhaps_again(await self._store.write(lambda tx: take_own(tx, self._number)))

    async def run(self) -> None:
        """Runs until it is cancelled: for a database on which other processes may be."""
        while True:
            self._told.clear()
            try:
                await self._look()
            except Refused as refused:
                _log.warning("the claims of process %d cannot be kept now: %s", self._number, refused)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), BEAT_SECONDS)

    async def stop(self) -> None:
        """Leaves the envelopes to the other processes."""
        if self._store.is_shared:
            with contextlib.suppress(Refused):
                await self._store.write(lambda tx: leave(tx, self._number))

    async def _look(self) -> None:
        silent, self._silent = self._silent, ()
        missed, self._may_have_missed = self._may_have_missed, False
        try:
            look = await self._store.write(lambda tx: _look(tx, self._number, silent, own=missed))
        except Refused:
            self._may_have_missed = self._may_have_missed or missed
            raise
        self._silent = self._silence.silent(look.beats, asyncio.get_running_loop().time())
        for sealed in look.handed_over:
            self._lanes.to(sealed.content.destination).add(sealed)
        if look.taken_over:
            _log.warning("process %d took over %d envelopes of others", self._number, len(look.taken_over))
        self._send_perhaps_again(look.taken_over)
        self._send_perhaps_again(look.own)  # what a lane has already is not added to it again

    def _send_perhaps_again(self, envelopes: Iterable[Sealed]) -> None:
        for sealed in envelopes:
            self._lanes.to(sealed.content.destination).add_perhaps_sent(sealed)

    def _handed_over(self, handed_over: HandedOver) -> None:
        if handed_over.claimant == self._number:
            self._told.set()

    def _outcome_lost(self, _: OutcomeLost) -> None:
        """An envelope of ours may wait in the database of which no lane was told."""
        self._may_have_missed = True
        self._told.set()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or handed_over_to(self._number) in committed.subjects:
            self._told.set()


@dataclass(frozen=True)
class _Look:
    """What a look at the database brought."""

    beats: Beats
    handed_over: list[Sealed]
    taken_over: list[Sealed]
    own: list[Sealed]


def _look(tx: Transaction, number: int, silent: Iterable[int], *, own: bool) -> _Look:
    beats, handed_over = beat(tx, number), take_handed_over(tx, number)
    return _Look(beats, handed_over, take_over(tx, number, silent), take_own(tx, number) if own else [])


def _pair(number: int, count: int) -> tuple[int, int]:
    return number, count


def _row(created: int, content: bytes, signature: bytes) -> tuple[int, Sealed]:
    return created, sealed_from(content, signature)


def _in_order(rows: Iterable[tuple[int, Sealed]]) -> list[Sealed]:
    return [sealed for _, sealed in sorted(rows, key=lambda row: (row[0], row[1].content.id))]
