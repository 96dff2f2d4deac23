"""Two regions without their edges that compare their records, and the envelopes between them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_pb2 import Difference, DifferenceKind, ReconciledDay
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.types_pb2 import Money
from gateway.federation.current import CurrentFederation
from gateway.relay import inbox, outbox
from gateway.relay.border import Border, Command, Kinds
from gateway.relay.outbox import Enqueued
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_timestamp
from region_node.app.registered import reconciliation
from region_node.business.joint.relayed import JointEnvelopes
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.reconciliation.comparing import compare
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.relayed import ReconciliationEnvelopes
from region_node.business.reconciliation.rows import list_days, list_differences
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, COMPENSATION, EntryKind, payable, receivable, transfer
from region_node.network.agreements.relayed import OutageEnvelopes
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.node.context import RegionContext
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE

ORIGIN, HOME, THIRD = "guangdong", "sichuan", "henan"
TAKEN_IN = datetime(2030, 6, 14, 4, tzinfo=UTC)
DAY, NIGHT = date(2030, 6, 14), datetime(2030, 6, 14, 17, tzinfo=UTC)
FEE = 100  # for each order handled
COMPLETED = OrderState.ORDER_STATE_COMPLETED
FAILED = OrderState.ORDER_STATE_FAILED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS


@dataclass
class Region:
    """A region and its database."""

    context: Reconciliation
    tx: SqliteTransaction | PostgresqlTransaction
    sent: list[EnvelopeContent] = field(default_factory=list)
    """Every question that it has sent."""

    @property
    def name(self) -> str:
        return self.context.node.region

    def execute(self, sql: str) -> None:
        """Plants something in the data, past every rule."""
        self.unlock_ledger()
        assert self.tx.execute(sql) == 1, "planted in one row"

    def unlock_ledger(self) -> None:
        """Lets tests change and lose entries."""
        suffix = "" if isinstance(self.tx, SqliteTransaction) else " ON ledger_entries"
        for trigger in ("ledger_never_changes", "ledger_never_forgets"):
            self.tx.execute(f"DROP TRIGGER IF EXISTS {trigger}{suffix}")

    def waiting(self) -> list[EnvelopeContent]:
        """The envelopes that it has sent and that were not taken yet."""
        found = [each.sealed.content for each in self.tx.events if isinstance(each, Enqueued)]
        self.tx.events.clear()
        self.sent += found
        return found

    @property
    def differences(self) -> list[Difference]:
        """The open ones."""
        return list_differences(self.tx, self.context.kinds, "", "", 1000, closed=False)

    @property
    def named(self) -> dict[str, str]:
        """The kinds of the open ones, by serial."""
        return {
            each.serial.rpartition("/")[2]: DifferenceKind.Name(each.kind).removeprefix("DIFFERENCE_KIND_").lower()
            for each in self.differences
        }

    @property
    def days(self) -> list[ReconciledDay]:
        """The compared days."""
        return list_days(self.tx, "", "", "", 1000)


@dataclass
class Two:
    """The origin of the orders and the home region of their customers; the third region compares nothing."""

    origin: Region
    home: Region
    third: Region | None = None

    @property
    def by_name(self) -> Mapping[str, Region]:
        return {each.name: each for each in (self.origin, self.home)}

    @property
    def everyone(self) -> Mapping[str, Region]:
        """The two, and the third one."""
        return {**self.by_name, **({} if self.third is None else {self.third.name: self.third})}

    def order(
        self,
        name: str,
        amount: int = 100,
        *,
        business: str = "PAY",
        at_origin: OrderState.ValueType = COMPLETED,
        taken_in: datetime = TAKEN_IN,
        fee: int = FEE,
    ) -> None:
        """An order that both have, with its postings; completed at home."""
        for region, state in ((self.origin, at_origin), (self.home, COMPLETED)):
            order = Order(id=f"{ORIGIN}/counter/{name}", origin_region=ORIGIN, home_region=HOME, operator="counter")
            order.request.business, order.request.number = business, LINE.number
            order.request.characteristics["amount"] = f"{amount}"
            order.state, order.version = state, 2 if state == COMPLETED else 1
            order.create_time.CopyFrom(to_timestamp(taken_in))
            if state == COMPLETED:
                order.completion_time.CopyFrom(to_timestamp(taken_in))
                if business != "COMPLAINT_REMEDY":
                    order.handling_fee.CopyFrom(Money(minor_units=fee, currency="CNY"))
            insert_order(region.tx, OrderRow(order, ""), taken_in)
            if amount and state == COMPLETED:
                kind = EntryKind.PAYMENT if business == "PAY" else EntryKind.REMEDY
                debit, credit = (
                    (CASH if business == "PAY" else COMPENSATION, payable(HOME))
                    if region is self.origin
                    else (receivable(ORIGIN), "account-1")
                )
                posting_id = f"{order.id}#{'owed' if region is self.origin else 'credit'}"
                posting = transfer(posting_id, kind, amount, debit=debit, credit=credit)
                ledger.post(region.tx, posting, "CNY", taken_in)

    def compare(self, day: date = DAY, now: datetime = NIGHT) -> int:
        """Both compare a day, and every envelope is answered. Returns the number of envelopes."""
        for region, other in ((self.origin, HOME), (self.home, ORIGIN)):
            compare(region.tx, region.context, other, day, now)
        return self.settle(now)

    def settle(self, now: datetime = NIGHT, but: EnvelopeKind.ValueType | None = None) -> int:
        """Has every waiting envelope taken and answered, in rounds, `but` those of a kind. Returns how many there were.

        Those that are not taken are among the sent ones.
        """
        count = 0
        while waiting := [(each, content) for each in self.by_name.values() for content in each.waiting()]:
            for sender, content in [each for each in waiting if each[1].kind != but]:
                count += 1
                receiver = self.by_name[content.destination]
                handler = self.handler(receiver, content.kind)
                told = handler.act(receiver.tx, content, now)
                receipt = ReceiptContent(envelope_id=content.id, outcome=told.outcome, result=told.result)
                self.handler(sender, content.kind).answered(sender.tx, content, receipt, now)
                assert told.outcome == Outcome.OUTCOME_ACCEPTED
        return count

    def exchange(self, now: datetime) -> None:
        """Has every waiting envelope taken and answered as the relay does: both regions keep what was signed."""
        while sealed := [
            (each, event.sealed)
            for each in self.everyone.values()
            for event in each.tx.events
            if isinstance(event, Enqueued)
        ]:
            for each in self.everyone.values():
                each.tx.events.clear()
            for sender, envelope in sealed:
                content, receiver = envelope.content, self.everyone[envelope.content.destination]
                kinds = self.kinds(receiver)
                receipt = inbox.receive(receiver.tx, receiver.context.node.border, kinds, envelope, now)
                outbox.close_answered(sender.tx, content.id, receipt, journey=b"", attempts=1, now=now)
                answer = ReceiptContent.FromString(receipt.content)
                self.handler(sender, content.kind).answered(sender.tx, content, answer, now)

    def kinds(self, region: Region) -> Kinds:
        """The handlers of a region."""
        node = region.context.node
        business = (FaultEnvelopes(node), JointEnvelopes(node), OutageEnvelopes(node))
        found = (ReconciliationEnvelopes(region.context), *business)
        return {kind: handler for each in found for kind, handler in each.kinds().items()}

    def handler(self, region: Region, kind: EnvelopeKind.ValueType) -> Command:
        found = self.kinds(region)[kind]
        assert isinstance(found, Command)
        return found


@contextlib.contextmanager
def two_regions(own: Mapping[str, PostgresqlTransaction] | None = None, *, with_third: bool = False) -> Iterator[Two]:
    """Two regions without records, or three; one with an `own` transaction is on PostgreSQL."""
    names = (ORIGIN, HOME, THIRD) if with_third else (ORIGIN, HOME)
    with contextlib.ExitStack() as stack:
        regions = []
        for name in names:
            current = CurrentFederation()
            joined = MemberState.MEMBER_STATE_JOINED
            current.update(FEDERATION, [Member(region=each, state=joined) for each in names])
            context = RegionContext(Border(name, keys().signers[name], keys().trusted, current))
            tx: SqliteTransaction | PostgresqlTransaction | None = (own or {}).get(name)
            if tx is None:
                connection = stack.enter_context(contextlib.closing(empty_database("gateway", "region_node")))
                tx = SqliteTransaction(connection, region_keys())
            regions.append(Region(reconciliation(context), tx))
        yield Two(*regions)
