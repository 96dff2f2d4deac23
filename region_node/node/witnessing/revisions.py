"""The configurations that other regions hold, by their own signed word, compared with this region's.

A coordinator that shows two configurations of one revision, or keeps a later revision back, is found so.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import DisputedRevision
from gateway.api.region.v1.witnessing_pb2 import HeldRevision
from gateway.auditing import audit
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.federation.revisions import Chain
from gateway.store.port import Store, Transaction
from gateway.store.tables import Table
from gateway.time.clock import Clock, from_microseconds, to_microseconds, to_timestamp
from gateway.time.looks import until_look

WITHHELD_AFTER = timedelta(seconds=20)
"""The time in which a coordinator must send a revision that another region holds."""
RECENT = timedelta(minutes=3)
"""A later statement than this says nothing about the time between: each region tells its revision every 30 s."""
SILENT = timedelta(days=7)
"""A region without a statement for this time is not judged: it may have left."""
LOOK = 1.0  # seconds between two looks
_DIGEST = 32
_log = logging.getLogger(__name__)


class DisputeKind(StrEnum):
    """How the configuration of another region differs from this region's."""

    SPLIT = "split"
    """Two configurations of one revision."""
    WITHHELD = "withheld"
    """A later revision, which no coordinator has sent to this region in time."""


@dataclass(frozen=True)
class Known:
    """The configuration in force at this region."""

    revision: int
    chain: Chain | None
    """Its signed revisions; None at a region that verifies no signatures."""
    reads_all: bool = True
    """False while this version cannot read the newest configuration: it holds an earlier one for a known reason."""

    @classmethod
    def of(cls, current: CurrentFederation) -> "Known":
        """The configuration in force at a process."""
        return cls(current.revision, current.chain, not current.unreadable)

    def held(self) -> HeldRevision:
        """The statement of this region for others."""
        digest = self.chain.configuration_digest if self.chain is not None else b""
        return HeldRevision(revision=self.revision, configuration_digest=digest)

    def digest_of(self, revision: int) -> bytes:
        """The digest of a revision; empty where it is not known."""
        return self.chain.digest_of(revision) if self.chain is not None else b""


Raise = Callable[[Transaction, DisputedRevision, datetime], None]
"""Calls the people on duty about a dispute."""


class _Row(NamedTuple):
    region: str
    revision: int
    digest: bytes
    told: int
    since: int
    split: int
    withheld: int

    def kind(self, known: Known) -> DisputeKind | None:
        """How it differs from what this region holds; a later revision may still be on its way."""
        if self.revision > known.revision:
            return DisputeKind.WITHHELD if known.reads_all else None
        differs = self.digest and known.digest_of(self.revision) not in (b"", self.digest)
        return DisputeKind.SPLIT if differs else None

    def lasting(self, known: Known, now: datetime) -> DisputeKind | None:
        """How it differs for longer than a coordinator needs."""
        kind, told = self.kind(known), from_microseconds(self.told)
        if kind is not DisputeKind.WITHHELD:
            return kind if now <= told + SILENT else None
        begun = from_microseconds(self.since)
        # Another process of the region may have had the revision when it was told; this one has just started then.
        is_late = self.since and begun + WITHHELD_AFTER <= now <= told + RECENT
        return kind if is_late else None

    def is_raised(self, kind: DisputeKind, known: Known) -> bool:
        """Whether people were called already. A region that invents revisions calls them no second time."""
        if kind is DisputeKind.SPLIT:
            return self.split >= self.revision
        return self.withheld > known.revision

    def raised(self, kind: DisputeKind) -> "_Row":
        """The row once people were called."""
        is_split = kind is DisputeKind.SPLIT
        return self._replace(split=self.revision) if is_split else self._replace(withheld=self.revision)

    def message(self, known: Known) -> DisputedRevision:
        """The dispute for reports."""
        return DisputedRevision(
            region=self.region,
            revision=self.revision,
            configuration_digest=self.digest,
            known_digest=known.digest_of(self.revision),
            begin_time=to_timestamp(from_microseconds(self.since)),
        )


_TOLD = Table("told_revisions", _Row, key=("region",))


def hear(tx: Transaction, known: Known, region: str, told: HeldRevision, now: datetime) -> None:
    """Stores the revision of another region. One that cannot exist is logged and ignored."""
    if told.revision > LARGEST_SEQUENCE or len(told.configuration_digest) not in (0, _DIGEST):
        _log.error("%s tells of a configuration in a form that no revision has", region)
        return
    at = to_microseconds(now)
    before = tx.find(_TOLD, region) or _Row(region, 0, b"", 0, 0, 0, 0)
    row = before._replace(revision=told.revision, digest=told.configuration_digest, told=at)
    goes_on = (
        before.since and before.kind(known) is row.kind(known) and at - before.told <= RECENT // timedelta.resolution
    )
    since = min(before.since, at) if goes_on else at
    tx.keep(_TOLD, row._replace(since=since if row.kind(known) is not None else 0))


def disputes(tx: Transaction, known: Known, now: datetime) -> Sequence[tuple[DisputeKind, DisputedRevision]]:
    """The disputes that last, by region."""
    found = ((row.lasting(known, now), row) for row in _rows(tx))
    return [(kind, row.message(known)) for kind, row in found if kind is not None]


def raise_new(tx: Transaction, known: Known, now: datetime, raise_to_people: Raise) -> None:
    """Raises each dispute that was not raised yet: to people, with an audit row and an error in the log."""
    for kind, row in _new(tx, known, now):
        tx.keep(_TOLD, row.raised(kind))
        dispute, action = row.message(known), _ACTIONS[kind]
        detail = f"{_shown(dispute.configuration_digest)} at {row.region}, {_shown(dispute.known_digest)} here"
        subject = f"configuration/{row.revision}"
        audit.append(tx, now=now, actor=f"region/{row.region}", action=action, subject=subject, detail=detail)
        _log.error("%s", _TEXTS[kind].format(region=row.region, revision=row.revision, held=known.revision))
        raise_to_people(tx, dispute, now)


def last_told(tx: Transaction) -> datetime | None:
    """The time of the last statement of any region; None without one."""
    told = max((row.told for row in _rows(tx)), default=0)
    return from_microseconds(told) if told else None


class RevisionWatch:
    """A loop of each process of a region: calls people about a new dispute, and knows the present ones."""

    def __init__(self, store: Store, clock: Clock, current: CurrentFederation, raise_to_people: Raise) -> None:
        self._store = store
        self._clock = clock
        self._current = current
        self._raise = raise_to_people
        self.disputes: Sequence[tuple[DisputeKind, DisputedRevision]] = ()
        """The disputes of the last look."""

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last look stays."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("the revisions of other regions are looked at again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Looks once. Raises Refused where the store does not respond."""
        known, now = Known.of(self._current), self._clock.now()
        found, is_new = await self._store.read(lambda tx: (disputes(tx, known, now), bool(_new(tx, known, now))))
        if is_new:
            await self._store.write(lambda tx: raise_new(tx, known, now, self._raise))
        self.disputes = found


_ACTIONS = {DisputeKind.SPLIT: "REVISION_CONTRADICTED", DisputeKind.WITHHELD: "REVISION_WITHHELD"}
_TEXTS = {
    DisputeKind.SPLIT: "{region} holds another configuration of revision {revision} than this region: a split view",
    DisputeKind.WITHHELD: (
        "{region} holds revision {revision} of the configuration, and this region's coordinator sends {held} alone"
    ),
}


def _new(tx: Transaction, known: Known, now: datetime) -> list[tuple[DisputeKind, _Row]]:
    found = ((row.lasting(known, now), row) for row in _rows(tx))
    return [(kind, row) for kind, row in found if kind is not None and not row.is_raised(kind, known)]


def _shown(digest: bytes) -> str:
    return digest.hex() or "no digest"


def _rows(tx: Transaction) -> Sequence[_Row]:
    return tx.all(_Row, f"SELECT {', '.join(_TOLD.columns)} FROM {_TOLD.name} ORDER BY region")  # noqa: S608 - own names
