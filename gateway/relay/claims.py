"""The process that sends an envelope, where several processes share one database.

The number of one process claims each envelope. A process proves that it lives by incrementing a counter in its row. A
process whose counter stands still for a lease loses its claims. The observer measures the lease by its own monotonic
clock. A second delivery does no harm, so a frozen process may continue when it wakes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import OUTBOX, envelope_subject
from gateway.relay.envelopes import Sealed
from gateway.relay.lanes import Lanes
from gateway.relay.outbox import SET_ASIDE, Enqueued, HandedOver, handed_over_to, sealed_from
from gateway.store import vault
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store, Transaction

BEAT_SECONDS = 1.0  # between two signs of life
LEASE_SECONDS = 5.0  # without a heartbeat, after which another process takes over
PAGE = 500  # envelopes in one transaction, during which no other process can write
_TAKE = "UPDATE outbox SET claimed_by = :number, handed_over = 0 WHERE closed IS NULL AND claimed_by = :claimant"
_ROW = "created, envelope_id, subject, content, signature, not_taken"
_PAGE = "SELECT envelope_id FROM outbox WHERE closed IS NULL AND claimed_by = :claimant ORDER BY created, envelope_id"
_TAKE_PAGE = f"{_TAKE} AND envelope_id IN ({_PAGE} LIMIT :limit) RETURNING {_ROW}"
_TAKE_HANDED_OVER = f"{_TAKE} AND handed_over = 1 RETURNING {_ROW}"
_OWN = (
    f"SELECT {_ROW} FROM outbox WHERE closed IS NULL AND claimed_by = :number"  # noqa: S608 - constants
    " AND (created, envelope_id) > (:created, :envelope_id) ORDER BY created, envelope_id LIMIT :limit"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beats:
    """How far the processes of a database have counted, by number."""

    by_number: Mapping[int, int]


def beat(tx: Transaction, number: int) -> Beats:
    """Increments this process's counter, and reads all counters."""
    tx.execute(
        "INSERT INTO processes (number, beats) VALUES (:number, 1)"
        " ON CONFLICT (number) DO UPDATE SET beats = processes.beats + 1",
        number=number,
    )
    return Beats(dict(tx.all(_pair, "SELECT number, beats FROM processes ORDER BY number")))


def leave(tx: Transaction, number: int) -> None:
    """Releases the claims of this process; the next observer takes them over."""
    tx.execute("DELETE FROM processes WHERE number = :number", number=number)


def adopt(tx: Transaction, number: int) -> None:
    """Claims every open envelope, for a process that is alone on its database."""
    take_handed_over(tx, number)
    for claimant in claimants(tx):
        if claimant != number:
            tx.execute(_TAKE, number=number, claimant=claimant)


def own(tx: Transaction, number: int, after: "Waiting | None", limit: int = PAGE) -> "list[Waiting]":
    """A page of the open envelopes that a number claims, oldest first."""
    created, envelope_id = (after.created, after.sealed.content.id) if after is not None else (-1, "")
    while rows := tx.all(_Row, _OWN, number=number, created=created, envelope_id=envelope_id, limit=limit):
        if page := _opened(tx, rows):
            return page
        created, envelope_id = rows[-1].created, rows[-1].envelope_id
    return []


def take_handed_over(tx: Transaction, number: int) -> "list[Waiting]":
    """The envelopes that other processes have left to this one; oldest first."""
    return _in_order(_opened(tx, tx.all(_Row, _TAKE_HANDED_OVER, number=number, claimant=number)))


def take_over(tx: Transaction, number: int, silent: Mapping[int, int], limit: int = PAGE) -> "list[Waiting]":
    """Claims a page of envelopes left by silent and ended processes, oldest first.

    `silent` maps a process to its counter when it was found silent; a process with a higher counter lives.
    """
    for each, count in silent.items():
        tx.execute("DELETE FROM processes WHERE number = :number AND beats = :count", number=each, count=count)
    alive = set(tx.all(int, "SELECT number FROM processes"))
    taken: list[Waiting] = []
    for claimant in claimants(tx):
        if claimant not in alive and len(taken) < limit:
            taken += _opened(tx, tx.all(_Row, _TAKE_PAGE, number=number, limit=limit - len(taken), claimant=claimant))
    return _in_order(taken)


def claimants(tx: Transaction) -> list[int]:
    """The numbers with open claims: one index look-up for each, however many envelopes there are."""
    found: list[int] = []
    following = "SELECT claimed_by FROM outbox WHERE closed IS NULL AND claimed_by > :after ORDER BY claimed_by LIMIT 1"
    while (number := tx.first(int, following, after=found[-1] if found else -1)) is not None:
        found.append(number)
    return found


@dataclass(frozen=True)
class Waiting:
    """An open envelope, when it was queued, in microseconds since 1970, and why its destination has not taken it."""

    created: int
    sealed: Sealed
    not_taken: Reason.ValueType


def set_aside(tx: Transaction, subject: str, destination: str) -> None:
    """Takes the open envelopes of a subject to a destination away from all processes: they wait for people."""
    tx.execute(
        f"UPDATE outbox SET claimed_by = {SET_ASIDE}, handed_over = 0"  # noqa: S608 - a number
        " WHERE subject = :subject AND destination = :destination AND closed IS NULL",
        subject=subject,
        destination=destination,
    )


def release(tx: Transaction, number: int, subject: str, destination: str) -> None:
    """Claims what `set_aside` took away, to be sent anew in its order."""
    rows = tx.all(
        _Row,
        "UPDATE outbox SET claimed_by = :number, handed_over = 0"  # noqa: S608 - constants
        f" WHERE subject = :subject AND destination = :destination AND closed IS NULL AND claimed_by = {SET_ASIDE}"
        f" RETURNING {_ROW}",
        number=number,
        subject=subject,
        destination=destination,
    )
    for waiting in _in_order(_opened(tx, rows)):
        tx.publish(Enqueued(waiting.sealed, perhaps_sent=True, not_taken=waiting.not_taken))


class Silence:
    """Finds processes with a counter that stands still. Pure: times are arguments, in seconds of a monotonic clock."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._seen: dict[int, tuple[int, float]] = {}

    def silent(self, beats: Beats, now: float) -> dict[int, int]:
        """The others that have not counted for a lease since this process began to look, and how far they are."""
        seen = {}
        for number, count in beats.by_number.items():
            before = self._seen.get(number)
            seen[number] = before if before is not None and before[0] == count else (count, now)
        self._seen = seen
        return {
            number: count
            for number, (count, since) in seen.items()
            if number != self._number and now - since >= LEASE_SECONDS
        }

    def begin_again(self) -> None:
        """Forgets all observations: neither this process nor, perhaps, the others could reach the database."""
        self._seen = {}


class Claims:
    """Keeps the claims of this process, and takes over those of silent processes."""

    def __init__(self, store: Store, number: int, lanes: Lanes) -> None:
        self._store = store
        self._number = number
        self._lanes = lanes
        self._silence = Silence(number)
        self._silent: Mapping[int, int] = {}
        self._told = asyncio.Event()
        self._may_have_missed = False
        store.subscribe(OutcomeLost, self._outcome_lost)
        store.subscribe(HandedOver, self._handed_over)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def start(self) -> None:
        """Takes up the envelopes of an earlier process with this number; in an unshared database, of any process."""
        if self._store.is_shared:
            await self._store.write(lambda tx: (beat(tx, self._number), take_handed_over(tx, self._number)))
        else:
            await self._store.write(lambda tx: adopt(tx, self._number))
        await self._take_up_own()

    async def run(self) -> None:
        """Watches a shared database for silent processes until it is cancelled."""
        while True:
            self._told.clear()
            try:
                await self._look()
            except Refused as refused:
                self._silence.begin_again()
                _log.warning("the claims of process %d cannot be kept now: %s", self._number, refused)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._told.wait()

    async def stop(self) -> None:
        """Leaves the envelopes to the other processes."""
        if self._store.is_shared:
            with contextlib.suppress(Refused):
                await self._store.write(lambda tx: leave(tx, self._number))

    async def _look(self) -> None:
        silent, self._silent = self._silent, {}
        look = await self._store.write(lambda tx: _look(tx, self._number, silent))
        self._silent = self._silence.silent(look.beats, asyncio.get_running_loop().time())
        for waiting in look.handed_over:
            self._lanes.to(waiting.sealed.content.destination).add(waiting.sealed)
        if look.taken_over:
            _log.warning("process %d took over %d envelopes of others", self._number, len(look.taken_over))
            self._told.set()  # there may be more
        self._send_perhaps_again(look.taken_over)
        if self._may_have_missed:
            self._may_have_missed = False
            await self._take_up_own()

    async def _take_up_own(self) -> None:
        """Adds this process's claims to their lanes, except those already there."""
        last: Waiting | None = None
        try:
            while page := await self._store.read(partial(own, number=self._number, after=last)):
                self._send_perhaps_again(page)
                last = page[-1]
        except Refused:
            self._may_have_missed = True
            raise

    def _send_perhaps_again(self, envelopes: Iterable[Waiting]) -> None:
        for waiting in envelopes:
            self._lanes.to(waiting.sealed.content.destination).add_perhaps_sent(waiting.sealed, waiting.not_taken)

    def _handed_over(self, handed_over: HandedOver) -> None:
        if handed_over.claimant == self._number:
            self._told.set()

    def _outcome_lost(self, _: OutcomeLost) -> None:
        """Reacts to a lost outcome: the database may hold an envelope of this process that no lane has."""
        self._may_have_missed = True
        self._told.set()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or handed_over_to(self._number) in committed.subjects:
            self._told.set()


@dataclass(frozen=True)
class _Look:
    """The result of a look at the database."""

    beats: Beats
    handed_over: list[Waiting]
    taken_over: list[Waiting]


def _look(tx: Transaction, number: int, silent: Mapping[int, int]) -> _Look:
    return _Look(beat(tx, number), take_handed_over(tx, number), take_over(tx, number, silent))


def _pair(number: int, count: int) -> tuple[int, int]:
    return number, count


@dataclass(frozen=True)
class _Row:
    created: int
    envelope_id: str
    subject: str
    content: bytes = field(repr=False)
    signature: bytes
    not_taken: int


def _opened(tx: Transaction, rows: Sequence[_Row]) -> list[Waiting]:
    """The envelopes of the rows, without those whose key was destroyed: nobody can send them any more."""
    sealed = [vault.Sealing(envelope_subject(row.subject), f"{OUTBOX}/{row.envelope_id}", row.content) for row in rows]
    return [
        Waiting(row.created, sealed_from(content, row.signature), Reason.ValueType(row.not_taken))
        for row, content in zip(rows, vault.open_many(tx, sealed), strict=True)
        if content is not None
    ]


def _in_order(envelopes: Iterable[Waiting]) -> list[Waiting]:
    return sorted(envelopes, key=lambda waiting: (waiting.created, waiting.sealed.content.id))
