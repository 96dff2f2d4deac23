"""A database of the version before, with personal data in the clear: sealed at the start, and read as ever."""

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay import inbox
from gateway.relay.outbox import receipt_content
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from region_node.app import row_migrations
from region_node.app.row_migrations import migrate_rows
from region_node.business.orders.provisioning_rows import find_task
from region_node.business.orders.rows import OrderFilter, list_orders
from region_node.customers.kind import CUSTOMERS as CUSTOMER_KIND
from region_node.customers.notices.rows import notices_after
from region_node.customers.rows import CustomerRow, find_customer, find_line
from region_node.requests.importing.progress import rejections_between
from region_node.requests.rows import RequestKey, find_request
from region_node.schema import PACKAGES
from tests.at_rest import open_envelopes
from tests.contract.stores import Adapter, run

NUMBER, OTHER = "+8619851271828", "+8619844314159"
CUSTOMERS = 7
LATER = ("0003_sealed_envelopes.sql", "0012_sealed_rows.sql", "0052_found_by_subject.sql")
CLEAR = ("Ouyang", "planted@mail.example", "1777 Tongzilin", "posted to Lhasa", NUMBER, OTHER, "your bill")
ORDER = Order(id="guangdong/counter/R1", request=OrderRequest(business="PAY", number=NUMBER)).SerializeToString()
ENVELOPE = EnvelopeContent(id="e1", subject="guangdong/counter/R1", payload=ORDER).SerializeToString()
FILE = b"f" * 32


def fill(tx: Transaction) -> None:
    """Rows as the version before has written them."""
    for index in range(CUSTOMERS):
        number = NUMBER if index == 0 else f"{NUMBER[:-2]}{index:02}"
        tx.execute(
            "INSERT INTO customers (customer_id, name, email) VALUES (:id, 'Ouyang', 'planted@mail.example')",
            id=f"c{index}",
        )
        tx.execute(
            "INSERT INTO products (product_id, customer_id, account_id, number, status, plan_id, start_time, binding,"
            " suspension_reason, address) VALUES (:id, :customer, 'a', :number, 1, 'plan', 0, '', 'posted to Lhasa',"
            " '1777 Tongzilin')",
            id=f"p{index}",
            customer=f"c{index}",
            number=number,
        )
    tx.execute(
        "INSERT INTO orders (order_id, origin_region, home_region, operator, business, number, state, version,"
        " awaiting, create_time, traceparent, body)"
        " VALUES ('guangdong/counter/R1', 'guangdong', 'sichuan', 'counter', 'PAY', :number, 1, 1, 0, 0, '', :body)",
        number=NUMBER,
        body=ORDER,
    )
    tx.execute(
        "INSERT INTO requests (caller, request_id, digest, order_id, settled, reason, parameters, time)"
        " VALUES ('counter', 'R1', :digest, 'guangdong/counter/R1', 1, :reason, :parameters, 0)",
        digest=b"d" * 32,
        reason=Reason.REASON_CUSTOMER_EXISTS,
        parameters=f'{{"number": "{NUMBER}"}}',
    )
    tx.execute(
        "INSERT INTO notices (notice_id, kind, number, zh_cn, en, create_time, attempts, due_time)"
        " VALUES ('n1', 'bill', :number, '', 'your bill', 1, 0, 0)",
        number=NUMBER,
    )
    tx.execute(
        "INSERT INTO usage_records (usage_id, product_id, account_id, month, kind, usage_time, quantity, other_number)"
        " VALUES ('u1', 'p0', 'a', '2026-03', 1, 0, 1, :other)",
        other=OTHER,
    )
    tx.execute(
        "INSERT INTO fulfilment_tasks (order_id, phase, attempts, failures, asked_by, due_time, results, problem)"
        " VALUES ('guangdong/counter/R1', 1, 0, 0, 0, NULL, :results, '')",
        results=f'{{"number": "{NUMBER}"}}',
    )
    tx.execute(
        "INSERT INTO import_rejections (sha256, number, reason, parameters) VALUES (:file, 2, :reason, :parameters)",
        file=FILE,
        reason=Reason.REASON_CUSTOMER_EXISTS,
        parameters=f'{{"number": "{NUMBER}"}}',
    )
    tx.execute(
        "INSERT INTO outbox (envelope_id, destination, kind, subject, content, signature, traceparent, created, closed,"
        " receipt_content, claimed_by, handed_over) VALUES"
        " ('e1', 'sichuan', 1, 'guangdong/counter/R1', :content, :sign, '', 0, NULL, NULL, 0, 0),"
        " ('e2', 'sichuan', 1, 'guangdong/counter/R1', :content, :sign, '', 0, 1, :content,"
        " 0, 0)",
        content=ENVELOPE,
        sign=b"s",
    )
    tx.execute(
        "INSERT INTO inbox (origin, envelope_id, subject, content, signature, receipt_content, receipt_signature,"
        " received) VALUES ('guangdong', 'e1', 'guangdong/counter/R1', :content, :sign, :content, :sign, 0)",
        content=ENVELOPE,
        sign=b"s",
    )


def cells(tx: Transaction) -> str:
    """Every column that can hold something personal, as one text."""
    tables = {
        "customers": "customer_id, name, email, sealed",
        "products": "number, address, suspension_reason, sealed",
        "orders": "number, body",
        "requests": "parameters, sealed",
        "notices": "number, zh_cn, en, sealed",
        "usage_records": "other_number, sealed",
        "fulfilment_tasks": "results, problem, sealed_results",
        "import_rejections": "parameters, subject, sealed",
        "outbox": "content, receipt_content",
        "inbox": "content, receipt_content",
    }
    rows = [
        row for table, columns in tables.items() for row in tx.all(lambda *row: row, f"SELECT {columns} FROM {table}")
    ]
    return "\n".join(_told(cell) for row in rows for cell in row)


def _told(cell: object) -> str:
    return cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)


def everything(tx: Transaction) -> list[object]:
    """All stored data, as the node reads it."""
    line, request = find_line(tx, NUMBER), find_request(tx, "counter", "R1")
    assert line is not None
    assert request is not None
    assert request.refused is not None
    task, received = find_task(tx, "guangdong/counter/R1"), inbox.find(tx, "guangdong", "e1")
    assert task is not None
    assert received is not None
    return [
        find_customer(tx, "c0"),
        (line.product_id, line.number, line.address, line.suspension_reason),
        [each.request.number for each in list_orders(tx, OrderFilter(number=NUMBER), None, 5).items],
        (RequestKey("counter", "R1", b"d" * 32).is_of(tx, request), request.refused.parameters),
        [(each.number, each.text.en) for each in notices_after(tx, NUMBER, (0, ""), 5)],
        task.results,
        rejections_between(tx, FILE, 2, 2)[0].parameters,
        (received.content, received.receipt_content, receipt_content(tx, "e2")),
        [each.envelope.content for each in open_envelopes(tx)],
    ]


EXPECTED: list[object] = [
    CustomerRow("c0", "Ouyang", "planted@mail.example"),
    ("p0", NUMBER, "1777 Tongzilin", "posted to Lhasa"),
    [NUMBER],
    (True, {"number": NUMBER}),
    [(NUMBER, "your bill")],
    {"number": NUMBER},
    {"number": NUMBER},
    (ENVELOPE, ENVELOPE, ENVELOPE),
    [ENVELOPE],
]


def test_what_the_version_before_has_left_is_sealed_page_by_page_and_read_as_before(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_migrations, "_PAGE", 2)
    now = migrations_of(*PACKAGES)

    async def scenario() -> None:
        async with adapter.open([each for each in now if each.name not in LATER]) as store:
            await store.write(fill)
        assert set(adapter.migrate(now)) == set(LATER)
        async with adapter.open(now) as store:
            seal = CUSTOMER_KIND.row_migrations["customers"]
            assert await store.write(lambda tx: seal(tx, 2)) == 2  # a process that was killed after its first page
        async with adapter.open(now) as store:
            assert await migrate_rows(store) == CUSTOMERS - 2 + CUSTOMERS + 9
            assert await store.read(everything) == EXPECTED
            told = await store.read(cells)
            assert [text for text in CLEAR if text in told] == []
            assert await migrate_rows(store) == 0

    run(scenario())
