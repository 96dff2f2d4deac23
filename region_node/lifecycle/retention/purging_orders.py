"""Purges orders and what there is about them: envelopes first, then the orders, then the ids of their requests."""

from dataclasses import dataclass
from datetime import timedelta

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.clock import from_microseconds, from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.relay import inbox
from gateway.store.port import Transaction
from gateway.vault import destroy
from region_node.business.orders.rows import find_order
from region_node.business.orders.rules import FINAL
from region_node.care.complaints.rows import case_of
from region_node.lifecycle.retention.holds import Held
from region_node.lifecycle.retention.port import Cut, Page, place_of
from region_node.network.faults.rules import ENDED
from region_node.network.support.rules import CLOSED
from region_node.node.subjects import order_subject

_SEEN_SINCE = timedelta(days=1)
"""So long after an envelope came its origin has the receipt or has sent it again, whatever the clocks say."""
_FINAL = ", ".join(str(state) for state in sorted(FINAL))


@dataclass(frozen=True)
class _Sent:
    envelope_id: str
    subject: str
    closed: int


@dataclass(frozen=True)
class _Received:
    origin: str
    envelope_id: str
    subject: str
    received: int


class Envelopes:
    """Envelopes that are closed, then commands of other regions that were acted on.

    A command may be forgotten, however long it was good for, once it was made before the time of its class: from then
    on it would be refused. And its origin must have sent something since: its lane would have sent this one before
    that, had it no receipt. Nothing goes while the order that it is about is open.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the key of the last row that was looked at."""
        if place.startswith("inbox "):
            return self._inbox(tx, cut, place.removeprefix("inbox "))
        return self._outbox(tx, cut, place.removeprefix("outbox "))

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            "SELECT time FROM (SELECT MIN(closed) AS time FROM outbox WHERE closed IS NOT NULL"
            " UNION ALL SELECT MIN(received) FROM inbox) AS both_tables WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )

    def _outbox(self, tx: Transaction, cut: Cut, place: str) -> Page:
        after, key = place_of(place)
        found = tx.all(
            _Sent,
            "SELECT envelope_id, subject, closed FROM outbox WHERE closed IS NOT NULL AND closed < :before"
            " AND (closed, envelope_id) > (:after, :key) ORDER BY closed, envelope_id LIMIT :limit",
            before=cut.before,
            after=after,
            key=key,
            limit=cut.limit,
        )
        held = [each for each in found if _is_held(tx, cut.held, each.subject)]
        gone = [each for each in found if each not in held and not _is_open(tx, each.subject)]
        tx.execute_many(
            "DELETE FROM outbox WHERE envelope_id = :envelope_id",
            [{"envelope_id": each.envelope_id} for each in gone],
        )
        is_last = len(found) < cut.limit
        return Page(len(gone), len(held), "inbox " if is_last else f"outbox {found[-1].closed} {found[-1].envelope_id}")

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
        held = [each for each in found if _is_held(tx, cut.held, each.subject)]
        gone = [
            each
            for each in found
            if each not in held and not _is_open(tx, each.subject) and _cannot_come_again(tx, each, cut.before)
        ]
        inbox.forget(tx, [(each.origin, each.envelope_id) for each in gone], cut.before)
        last = found[-1] if len(found) == cut.limit else None
        return Page(
            len(gone), len(held), f"inbox {last.received} {last.origin} {last.envelope_id}" if last is not None else ""
        )


class Orders:
    """Orders that are final, once nothing about them is on its way, and with them the key that opens them."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the date and the id of the last order that was looked at."""
        after, key = place_of(place)
        found = tx.all(
            _Dated,
            f"SELECT order_id, order_date FROM orders WHERE state IN ({_FINAL}) AND order_date < :before"  # noqa: S608
            " AND (order_date, order_id) > (:after, :key) ORDER BY order_date, order_id LIMIT :limit",
            before=cut.before,
            after=after,
            key=key,
            limit=cut.limit,
        )
        held = [each for each in found if _is_held(tx, cut.held, each.order_id)]
        gone = [each.order_id for each in found if each not in held and _has_ended(tx, each, cut.before)]
        tx.execute_many("DELETE FROM orders WHERE order_id = :order_id", [{"order_id": each} for each in gone])
        destroy(tx, [order_subject(order_id) for order_id in gone])
        last = found[-1] if len(found) == cut.limit else None
        return Page(len(gone), len(held), f"{last.order_date} {last.order_id}" if last is not None else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT order_date FROM orders ORDER BY order_date LIMIT 1")


class Requests:
    """The ids of settled requests whose order, complaint, fault or support request is gone, then of sharing."""

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
            "SELECT caller, request_id, time, settled, CASE WHEN EXISTS"
            " (SELECT 1 FROM orders WHERE orders.order_id = requests.order_id) OR EXISTS"
            " (SELECT 1 FROM complaints WHERE complaints.docket = requests.order_id) OR EXISTS"
            " (SELECT 1 FROM faults WHERE faults.fault_id = requests.order_id) OR EXISTS"
            " (SELECT 1 FROM support_requests WHERE support_requests.support_id = requests.order_id)"
            " THEN 1 ELSE 0 END FROM requests"
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
        after, key = place_of(place)
        found = tx.all(
            _Shared,
            "SELECT subject, request_time FROM sharing_requests WHERE request_time < :before"
            " AND (request_time, subject) > (:after, :key) ORDER BY request_time, subject LIMIT :limit",
            before=cut.before,
            after=after,
            key=key,
            limit=cut.limit,
        )
        tx.execute_many(
            "DELETE FROM sharing_requests WHERE subject = :subject", [{"subject": each.subject} for each in found]
        )
        last = found[-1] if len(found) == cut.limit else None
        return Page(len(found), 0, f"sharing {last.time} {last.subject}" if last is not None else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM requests ORDER BY time LIMIT 1")


class OrderEvents:
    """The beginning of the feed of changes: it tells nobody who a customer is, and nothing that an order does not.

    Its last event stays, because the next one is numbered after it.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place: what was removed is gone."""
        found = tx.all(
            _Event,
            "SELECT sequence, time FROM order_events WHERE sequence < (SELECT MAX(sequence) FROM order_events)"
            " ORDER BY sequence LIMIT :limit",
            limit=cut.limit,
        )
        old = 0
        for event in found:
            if event.time >= cut.before:
                break
            old += 1
        if old:
            tx.execute("DELETE FROM order_events WHERE sequence <= :sequence", sequence=found[old - 1].sequence)
        return Page(old, 0, "on" if old == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM order_events ORDER BY sequence LIMIT 1")


@dataclass(frozen=True)
class _Dated:
    order_id: str
    order_date: int


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


@dataclass(frozen=True)
class _Event:
    sequence: int
    time: int


def _is_held(tx: Transaction, held: Held, subject: str) -> bool:
    """Whether an order, a complaint, a fault or a support request is of a customer under a hold."""
    if not held.numbers:
        return False
    number = tx.first(
        str,
        "SELECT number FROM orders WHERE order_id = :subject"
        " UNION ALL SELECT number_index FROM complaints WHERE docket = :subject"
        " UNION ALL SELECT number_index FROM faults WHERE fault_id = :subject"
        " UNION ALL SELECT number_index FROM support_requests WHERE support_id = :subject LIMIT 1",
        subject=subject,
    )
    return number in held.numbers


def _is_open(tx: Transaction, subject: str) -> bool:
    """Whether an order, a complaint, a fault or a support request can still change."""
    found = tx.first(int, "SELECT state FROM orders WHERE order_id = :subject", subject=subject)
    if found is not None:
        return found not in FINAL
    fault = tx.first(int, "SELECT state FROM faults WHERE fault_id = :subject", subject=subject)
    if fault is not None:
        return fault not in ENDED
    asked = tx.first(int, "SELECT state FROM support_requests WHERE support_id = :subject", subject=subject)
    if asked is not None:
        return asked != CLOSED
    return any(each.is_open for each in case_of(tx, subject))


def _has_ended(tx: Transaction, dated: _Dated, before: int) -> bool:
    """Whether an order ended before an instant, and nothing about it is kept besides its request."""
    if tx.first(
        int,
        "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id"
        " UNION ALL SELECT 1 FROM fulfilment_tasks WHERE order_id = :id LIMIT 1",
        id=dated.order_id,
    ):
        return False
    row = find_order(tx, dated.order_id)
    # Of an erased customer only the date can be told, and that is old enough.
    changes = row.order.state_changes if row is not None else ()
    return not changes or to_microseconds(from_timestamp(changes[-1].time)) < before


def _cannot_come_again(tx: Transaction, row: _Received, before: int) -> bool:
    """Whether a command was made before an instant, and its origin has been heard of since it came."""
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
