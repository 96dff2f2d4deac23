"""A region's books in memory, and what happens there at times that a test chooses."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.sqlite import SqliteTransaction
from region_node.business.billing.runs import is_due, run_page
from region_node.business.billing.usage import NewUsage, UsageRow, record_usage
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, EntryKind, transfer
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, Line, insert_line, line_of
from region_node.customers.subscriptions import Subscription, keep_subscription
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION

CALL = UsageKind.USAGE_KIND_CALL
MESSAGE = UsageKind.USAGE_KIND_MESSAGE
DATA = UsageKind.USAGE_KIND_DATA


class Books:
    """The node of Sichuan without its edges."""

    def __init__(self, connection: sqlite3.Connection, federation: Federation) -> None:
        current = CurrentFederation()
        current.update(federation, [])
        shared = keys()
        self.context = RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))
        self.orders = OrderContext(self.context, load_rules())
        self.tx = SqliteTransaction(connection, region_keys())
        self.connection = connection
        self._ids = iter(range(10**9))

    def open(self, line: Line) -> None:
        """A line that was taken over."""
        keep_customer(self.tx, CustomerRow(line.customer_id, "王芳", ""))
        insert_line(self.tx, line)

    def line(self, product_id: str) -> Line:
        """A line as it is."""
        found = line_of(self.tx, product_id)
        assert found is not None
        return found

    def change(self, line: Line, now: datetime) -> None:
        """A line that was changed."""
        keep_line(self.tx, line, now)

    def subscribe(self, line: Line, offering: str, start: datetime, end: datetime | None = None) -> None:
        """The line has an offering."""
        keep_subscription(self.tx, Subscription(f"s{next(self._ids)}", line.product_id, offering, start, end))

    def pay(self, account: str, amount: int, now: datetime) -> None:
        """A payment at home."""
        posting = transfer(f"pay{next(self._ids)}#credit", EntryKind.PAYMENT, amount, debit=CASH, credit=account)
        ledger.post(self.tx, posting, "CNY", now)

    def use(self, number: str, kind: UsageKind.ValueType, quantity: int, now: datetime, usage_id: str = "") -> int:
        """One use, recorded when it ends."""
        row = UsageRow(usage_id or f"u{next(self._ids)}", kind, now - timedelta(seconds=1), quantity, "")
        return record_usage(self.tx, self.context, [NewUsage(number, row)], AuditedCall("test", "clerk", now))

    def run(self, now: datetime, *, broken_before: Sequence[int] = ()) -> int:
        """Runs what is due, as a process does; the pages whose number is in `broken_before` fail at their commit.

        Returns how many pages were tried.
        """
        pages = 0
        while is_due(self.tx, self.context, now):
            pages += 1
            self.connection.execute("BEGIN")
            done = run_page(self.tx, self.context, now)
            self.connection.execute("ROLLBACK" if pages in broken_before else "COMMIT")
            if not done:
                break
        return pages

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql).fetchall()

    def balance(self, account: str) -> int:
        """The balance of an account."""
        return ledger.balance(self.tx, account)


@contextlib.contextmanager
def books(began: datetime, federation: Federation = FEDERATION) -> Iterator[Books]:
    """The books of a node that began to bill at a time."""
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        found = Books(connection, federation)
        found.run(began)
        yield found
