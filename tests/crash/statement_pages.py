"""Runs the due work of agreements on a SQLite file, as a process of a node does: `FILE KEYS COMMAND`.

`make` makes a node with agreements and an outage. `late` notes another outage after the statement of the month. `run`
fires the timers until nothing is due.
"""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.api.region.v1.agreement_pb2 import OutageCause, ServiceOutage
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.types.v1.types_pb2 import Money
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.files import load
from gateway.relay.border import Border
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import TimerHandler, due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow
from region_node.network.agreements import operations
from region_node.network.agreements.outages import CORRECTION_TIMER, note_outage
from region_node.network.agreements.statements import (
    STATEMENT_TIMER,
    correction_is_due,
    ensure_statements,
    statements_are_due,
)
from region_node.node.context import RegionContext
from tests.simulation.world import keys
from tests.unit.situations import LINE

SERVICE = "lines-chengdu-guangzhou"
BEGAN = datetime(2030, 6, 2, tzinfo=UTC)
ENDED = datetime(2030, 7, 2, tzinfo=UTC)
AGREEMENTS = 60  # three pages
DEPLOYED = Path(__file__).parents[2] / "deploy" / "federation"


def make(tx: Transaction, context: RegionContext) -> None:
    """Customers with agreements, and an outage of two hours."""
    ensure_statements(tx, BEGAN)
    for each in range(AGREEMENTS):
        named = replace(LINE, product_id=f"p{each}", customer_id=f"c{each}", account_id=f"a{each}")
        line = replace(named, number=f"+8619851{each:06d}", start_time=BEGAN - timedelta(days=400))
        keep_customer(tx, CustomerRow(line.customer_id, "王芳", ""))
        keep_line(tx, line, line.start_time)
        charge = Money(minor_units=100_000, currency="CNY")
        asked = CreateAgreementRequest(
            number=line.number, service=SERVICE, template="leased-line", monthly_charge=charge
        )
        operations.create(tx, context, "chen", asked, BEGAN)
    _note(tx, context, "early", 2)


def late(tx: Transaction, context: RegionContext) -> None:
    """An outage of ten hours in the month that has been stated."""
    _note(tx, context, "late", 10)


def _note(tx: Transaction, context: RegionContext, name: str, hours: int) -> None:
    outage = ServiceOutage(
        source=f"sichuan/fault/{name}",
        service=SERVICE,
        region="sichuan",
        start_time=to_timestamp(BEGAN + timedelta(days=1)),
        end_time=to_timestamp(BEGAN + timedelta(days=1, hours=hours)),
        cause=OutageCause.OUTAGE_CAUSE_OPERATOR,
        version=1,
    )
    note_outage(tx, context, outage, ENDED)


async def main(path: Path, keys_file: Path, command: str) -> None:
    """Does it, each timer in a transaction of its own."""
    current, shared = CurrentFederation(), keys()
    current.update(Federation(1, load(DEPLOYED)), [])
    context = RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))
    store = SqliteStore(path, migrations_of("gateway", "region_node"), keys=RegionKeys(KeySet.load(keys_file)))
    handlers: dict[str, TimerHandler] = {
        STATEMENT_TIMER: lambda tx, timer, now: statements_are_due(tx, context, timer, now),
        CORRECTION_TIMER: lambda tx, timer, now: correction_is_due(tx, context, timer, now),
    }

    def one(tx: Transaction, now: datetime) -> bool:
        due = [timer for timer in due_timers(tx, now) if timer.kind in handlers]
        return bool(due) and fire(tx, due[0], handlers, now)

    if command in ("make", "late"):
        done = make if command == "make" else late
        await store.write(lambda tx: done(tx, context))
    else:
        now = ENDED
        while await store.write(lambda tx, now=now: one(tx, now)):  # type: ignore[misc]
            now += timedelta(seconds=1)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
