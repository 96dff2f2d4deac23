"""A node of Sichuan without its edges, whose purge tests run night by night."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.retention_service_pb2 import Purge
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.federation.current import CurrentFederation
from gateway.relay.at_rest import INBOX, INBOX_RECEIPT, inbox_key, seal_signed
from gateway.relay.border import Border
from gateway.security.revocations import Revocations
from gateway.store.sqlite import SqliteTransaction
from gateway.store.timers import Timer, due_timers, fire
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import registry
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.business.orders.home import UPDATE_LIFETIME
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.customers.rows import CustomerRow, insert_customer
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.retention import purge
from region_node.lifecycle.retention.purge import PURGE_TIMER
from region_node.node.context import RegionContext
from region_node.records.purging.reports import purges_before
from region_node.requests.auditing import AuditedCall
from region_node.requests.rows import RequestKey, insert_request
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE

NOW = datetime(2031, 11, 24, 12, tzinfo=UTC)
LONG_AGO = timedelta(days=366 * 6)


class Archive:
    """Its records, and the clock by which it purges them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        current = CurrentFederation()
        current.update(FEDERATION, [])
        shared = keys()
        border = Border("sichuan", shared.signers["sichuan"], shared.trusted, current)
        self.context = RegionContext(border)
        self.registry = registry(self.context)
        self.connection = connection
        self.tx = SqliteTransaction(connection, region_keys())
        purge.ensure_purge(self.tx, NOW)

    @property
    def revocations(self) -> Revocations:
        """Those in force at the node."""
        return self.context.border.keys.revocations

    def order(self, name: str, when: datetime, state: OrderState.ValueType) -> str:
        """An order of long ago, its request, and the envelope by which it came."""
        order = Order(id=f"guangdong/counter/{name}", origin_region="guangdong", home_region="sichuan", state=state)
        order.request.number = LINE.number
        order.create_time.CopyFrom(to_timestamp(when))
        order.state_changes.add(state=state, time=to_timestamp(when))
        insert_order(self.tx, OrderRow(order, ""), when)
        insert_request(self.tx, RequestKey("counter", name, b"d"), order.id, settled=True, now=when)
        return order.id

    def released(self, customer_id: str, reference: str, call: AuditedCall) -> holds.Hold:
        """A hold that ends once a second member of staff has confirmed it."""
        waiting = holds.release(self.tx, customer_id, reference, call, self.revocations)
        assert isinstance(waiting, Awaited)
        decide(self.tx, waiting.approval.approval_id, Decision("another", confirmed=True), self.revocations, call.now)
        ended = holds.release(self.tx, customer_id, reference, call, self.revocations)
        assert isinstance(ended, holds.Hold)
        return ended

    def received(self, order_id: str, when: datetime, *, made: datetime | None = None) -> None:
        """A command of Guangdong about an order, that was acted on; it is good for as long as an update is."""
        content = EnvelopeContent(id=f"{order_id}#submit", origin="guangdong", subject=order_id)
        content.create_time.CopyFrom(to_timestamp(made or when))
        content.expire_time.CopyFrom(to_timestamp(when + UPDATE_LIFETIME))
        self.tx.execute(
            "INSERT INTO inbox (origin, envelope_id, subject, content, signature, receipt_content, receipt_signature,"
            " received) VALUES ('guangdong', :id, :subject, :content, :blob, :receipt, :blob, :received)",
            id=content.id,
            subject=order_id,
            content=self._sealed(content, INBOX, content.SerializeToString()),
            receipt=self._sealed(content, INBOX_RECEIPT, b"x"),
            blob=b"x",
            received=to_microseconds(when),
        )

    def _sealed(self, content: EnvelopeContent, place: str, signed: bytes) -> bytes:
        return seal_signed(self.tx, content.subject, place, inbox_key(content.origin, content.id), signed)

    def sent(self, order_id: str, when: datetime, *, closed: bool = True) -> None:
        """An envelope about an order."""
        self.tx.execute(
            "INSERT INTO outbox (envelope_id, destination, kind, subject, content, signature, traceparent, created,"
            " closed, claimed_by, handed_over) VALUES (:id, 'guangdong', 3, :subject, :blob, :blob, '', :when, :closed,"
            " 0, 0)",
            id=f"{order_id}#update",
            subject=order_id,
            blob=b"x",
            when=to_microseconds(when),
            closed=to_microseconds(when) if closed else None,
        )

    def customer(self) -> str:
        """The customer whose line the orders are for."""
        insert_customer(self.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        return LINE.customer_id

    def night(self, now: datetime, *, broken_at: int = 0, is_late: bool = False) -> int:
        """Fires the timer until the night is over; the page of that number fails at its commit. Returns the pages.

        The nights before it have come in time, unless it `is_late`.
        """
        pages = 0
        if not is_late:
            recent = to_microseconds(now - timedelta(hours=12))
            self.connection.execute(
                "UPDATE timers SET due_time = ? WHERE kind = 'purge' AND due_time < ?", (recent, recent)
            )
        while due := [each for each in due_timers(self.tx, now) if each.kind == PURGE_TIMER]:
            pages += 1
            self.connection.execute("BEGIN")
            fire(self.tx, due[0], {PURGE_TIMER: self._purge}, now)
            self.connection.execute("ROLLBACK" if pages == broken_at else "COMMIT")
            now += timedelta(seconds=1)
        return pages

    def _purge(self, tx: object, timer: Timer, now: datetime) -> None:
        purge.purge(self.tx, self.registry, timer, now)

    def report(self) -> dict[str, Purge]:
        """The last night's results, by class."""
        found = purges_before(self.tx, "", 0, 100)
        return {DataClass.Name(each.data_class): each for each in found if each.night_date == found[0].night_date}

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


@contextlib.contextmanager
def archive() -> Iterator[Archive]:
    """An empty archive."""
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield Archive(connection)
