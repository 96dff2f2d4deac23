"""Purges envelopes, and the ids of requests: the data beside records of every kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.errors import Refused
from gateway.relay import inbox
from gateway.store import catch_ups, quarantine
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds
from region_node.records.kinds import RecordKind, Table
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Held, Page, place_of

_SEEN_SINCE = timedelta(days=1)
"""The time after which an envelope's origin has the receipt or has sent it again, whatever the clocks say."""


@dataclass(frozen=True)
class _Sent:
    envelope_id: str
    closed: int
    subject: str


@dataclass(frozen=True)
class _Received:
    origin: str
    envelope_id: str
    subject: str
    received: int


class Envelopes:
    """Purges lost commands, closed envelopes, executed commands of other regions, and decisions on quarantined work.

    A command may be purged, whatever its lifetime, after the term of its class: the inbox then refuses it. Its origin
    must also have sent an envelope since: without a receipt, its lane would have sent this command before. Envelopes of
    an open record are kept.
    """

    def __init__(self, kinds: Sequence[RecordKind]) -> None:
        self._kinds = kinds

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the key of the last row that was looked at."""
        if place.startswith("inbox "):
            return self._inbox(tx, cut, place.removeprefix("inbox "))
        if place.startswith("quarantine "):
            gone = quarantine.forget_decided(tx, cut.before, cut.limit)
            return Page(gone, 0, place if gone == cut.limit else "")
        if place.startswith("outbox "):
            return self._outbox(tx, cut, place.removeprefix("outbox "))
        return self._lost(tx, cut, place.removeprefix("lost "))

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            "SELECT time FROM (SELECT MIN(closed) AS time FROM outbox WHERE closed IS NOT NULL"
            " UNION ALL SELECT MIN(received) FROM inbox) AS both_tables WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )

    def _lost(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """Lost commands go first: the outbox row of a repeat, by which one is left out of the list, is younger."""
        number, region, origin, envelope_id = place.split(" ", 3) if place else ("0", "", "", "")
        found = catch_ups.lost_after(tx, (int(number), region, origin, envelope_id), cut.limit)
        if not found:
            return self._outbox(tx, cut, "")
        old = [each for each in found if each.tell_time < cut.before]
        held = [each for each in old if self._is_held(tx, cut.held, each.subject)]
        gone = [each for each in old if each not in held and not self._is_open(tx, each.subject)]
        catch_ups.forget_lost(tx, gone)
        last = found[-1]
        behind = f"lost {last.loss} {last.region} {last.origin} {last.envelope_id}"
        return Page(len(gone), len(held), behind if len(found) == cut.limit else "outbox ")

    def _outbox(self, tx: Transaction, cut: Cut, place: str) -> Page:
        select = "SELECT envelope_id, closed, subject FROM outbox"
        found = aged(tx, _Sent, select, cut, place, time="closed", key="envelope_id", where="closed IS NOT NULL")
        held = [each for each in found.rows if self._is_held(tx, cut.held, each.subject)]
        gone = [each for each in found.rows if each not in held and not self._is_open(tx, each.subject)]
        tx.execute_many(
            "DELETE FROM outbox WHERE envelope_id = :envelope_id",
            [{"envelope_id": each.envelope_id} for each in gone],
        )
        return Page(len(gone), len(held), f"outbox {found.behind}" if found.behind else "inbox ")

    def _inbox(self, tx: Transaction, cut: Cut, place: str) -> Page:
        after, key = place_of(place)
        origin, _, envelope_id = key.partition(" ")
        found = tx.all(
            _Received,
            "SELECT origin, envelope_id, subject, received FROM inbox WHERE received < :before"
            " AND (received, origin, envelope_id) > (:after, :origin, :envelope_id)"
            " ORDER BY received, origin, envelope_id LIMIT :limit",
            before=cut.before,
            after=after,
            origin=origin,
            envelope_id=envelope_id,
            limit=cut.limit,
        )
        held = [each for each in found if self._is_held(tx, cut.held, each.subject)]
        gone = [
            each
            for each in found
            if each not in held and not self._is_open(tx, each.subject) and _cannot_come_again(tx, each, cut.before)
        ]
        inbox.forget(tx, [(each.origin, each.envelope_id) for each in gone], cut.before, cut.now)
        last = found[-1] if len(found) == cut.limit else None
        return Page(
            len(gone),
            len(held),
            f"inbox {last.received} {last.origin} {last.envelope_id}" if last is not None else "quarantine ",
        )

    def _is_held(self, tx: Transaction, held: Held, subject: str) -> bool:
        """Whether the record with an id belongs to a customer under a hold."""
        if not held.numbers:
            return False
        return any(
            tx.first(str, f"SELECT {each.index} FROM {each.name} WHERE {each.key} = :id", id=subject)  # noqa: S608
            in held.numbers
            for each in _tables(self._kinds)
        )

    def _is_open(self, tx: Transaction, subject: str) -> bool:
        """Whether the record with an id can still change."""
        return any(each.retention.is_open(tx, subject) for each in self._kinds)


class Requests:
    """Purges the ids of settled requests without a record, then those of sharing."""

    def __init__(self, kinds: Sequence[RecordKind]) -> None:
        self._kinds = kinds

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the key of the last request that was looked at."""
        if place.startswith("sharing "):
            return self._sharing(tx, cut, place.removeprefix("sharing "))
        return self._requests(tx, cut, place.removeprefix("requests "))

    def _requests(self, tx: Transaction, cut: Cut, place: str) -> Page:
        after, key = place_of(place)
        caller, _, request_id = key.partition(" ")
        found = tx.all(
            _Request,
            f"SELECT caller, request_id, time, settled, CASE WHEN {_exists(self._kinds)} THEN 1 ELSE 0 END"  # noqa: S608
            " FROM requests"
            " WHERE time < :before AND (time, caller, request_id) > (:after, :caller, :request_id)"
            " ORDER BY time, caller, request_id LIMIT :limit",
            before=cut.before,
            after=after,
            caller=caller,
            request_id=request_id,
            limit=cut.limit,
        )
        gone = [each for each in found if each.settled and not each.is_about_something]
        tx.execute_many(
            "DELETE FROM requests WHERE caller = :caller AND request_id = :request_id",
            [{"caller": each.caller, "request_id": each.request_id} for each in gone],
        )
        last = found[-1] if len(found) == cut.limit else None
        place = f"requests {last.time} {last.caller} {last.request_id}" if last is not None else "sharing "
        return Page(len(gone), 0, place)

    def _sharing(self, tx: Transaction, cut: Cut, place: str) -> Page:
        select = "SELECT subject, request_time FROM sharing_requests"
        found = aged(tx, _Shared, select, cut, place, time="request_time", key="subject")
        tx.execute_many(
            "DELETE FROM sharing_requests WHERE subject = :subject", [{"subject": each.subject} for each in found.rows]
        )
        return Page(len(found.rows), 0, f"sharing {found.behind}" if found.behind else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM requests ORDER BY time LIMIT 1")


@dataclass(frozen=True)
class _Request:
    caller: str
    request_id: str
    time: int
    settled: int
    is_about_something: int


@dataclass(frozen=True)
class _Shared:
    subject: str
    time: int


def _tables(kinds: Sequence[RecordKind]) -> Iterator[Table]:
    return (each.retention.table for each in kinds if each.retention.table is not None)


def _exists(kinds: Sequence[RecordKind]) -> str:
    """The condition that a request has its record still."""
    conditions = (
        f"EXISTS (SELECT 1 FROM {each.name} WHERE {each.name}.{each.key} = requests.order_id)"  # noqa: S608 - names
        for each in _tables(kinds)
    )
    return " OR ".join(conditions) or "1 = 0"


def _cannot_come_again(tx: Transaction, row: _Received, before: int) -> bool:
    """Whether a command is older than an instant, and its origin has sent an envelope since."""
    try:
        found = inbox.find(tx, row.origin, row.envelope_id)
    except Refused:
        found = None  # of an erased customer
    last = from_microseconds(row.received)
    if found is not None:
        last = max(last, from_timestamp(EnvelopeContent.FromString(found.content).create_time))
    over = to_microseconds(last + _SEEN_SINCE)
    since = tx.first(
        int, "SELECT 1 FROM inbox WHERE received > :over AND origin = :origin LIMIT 1", over=over, origin=row.origin
    )
    return over < before and since is not None
