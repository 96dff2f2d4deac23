"""A database whose complaints hold in their bodies what only this region needs: the facts get columns at the start."""

from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from region_node.app.row_migrations import migrate_rows
from region_node.care.complaints.import_rows import UNREADABLE, Known, imported_among
from region_node.care.complaints.kind import COMPLAINTS
from region_node.care.complaints.rows import KIND, complaint_subject, find_complaint, reference_index
from region_node.care.complaints.sent_counts import SentCounts, sent_counts_of
from region_node.requests.rows import keyed_digest
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run

FILE = "0066_private_facts.sql"
CASE, ITEM, ELSEWHERE = "sichuan/20251101-7", "sichuan/20251101-7/1", "henan/20251101-2/1"
DIGEST = bytes(range(32))
# An imported complaint of two work items: of the first, the region was told 3 notes, 1 refusal and 2 attachments.
BODY = bytes.fromhex(
    "0a127369636875616e2f32303235313130312d37100318052a077369636875616e42077369636875616eca012b080112147369636875616e2f"
    "32303235313130312d372f311a096775616e67646f6e672802580360017002ca010d08021a0568656e616e280458038202054552502d318a02"
    "20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
)


def add(tx: Transaction, ticket_id: str, body: bytes, *, parent: str = "", reference: str = "") -> None:
    """A row of a complaint as the version before has written it."""
    tx.execute(
        "INSERT INTO complaints (ticket_id, ticket_number, origin_region, owner_region, operator, category,"
        " number_index, severity, state, level, version, create_time, due_time, traceparent,"
        " case_id, external_index, body)"
        " VALUES (:id, 1, 'sichuan', 'sichuan', 'counter', 'OTHER', 'n', 3, 5, 1, 3, 0, NULL, '', :parent, :index,"
        " :body)",
        id=ticket_id,
        parent=parent,
        index=reference_index(tx, reference) if reference else None,
        body=vault.seal(tx, complaint_subject(ticket_id), "complaints", body),
    )


def fill(tx: Transaction) -> None:
    """A case with the item that this region knows, more imported complaints, and an item that another region leads."""
    add(tx, CASE, BODY, reference="ERP-1")
    add(tx, ITEM, Complaint(ticket_id=ITEM, case_id=CASE).SerializeToString(), parent=CASE)
    for number in (2, 3, 4):
        add(tx, f"sichuan/20251101-1{number}", BODY, reference=f"ERP-{number}")
    vault.destroy(tx, [complaint_subject("sichuan/20251101-14")])
    add(tx, ELSEWHERE, Complaint(ticket_id=ELSEWHERE).SerializeToString(), parent="henan/20251101-2")


def check_moved(tx: Transaction) -> None:
    row = find_complaint(tx, CASE)
    assert row is not None
    first, second = row.complaint.items
    assert (row.complaint.ticket_id, row.complaint.external_id, row.complaint.version) == (CASE, "ERP-1", 3)
    assert [(each.number, each.region) for each in (first, second)] == [(1, "guangdong"), (2, "henan")]
    assert [len(UnknownFieldSet(each)) for each in (row.complaint, first, second)] == [0, 0, 0]
    assert DIGEST not in row.complaint.SerializeToString()
    assert sent_counts_of(tx, ITEM) == SentCounts(notes=3, refusals=1, attachments=2)
    known, moved = imported_among(tx, [f"ERP-{each}" for each in range(1, 6)]), keyed_digest(tx, DIGEST)
    assert known["ERP-1"] == Known(CASE, moved)
    assert [known[f"ERP-{each}"].digest for each in (2, 3, 4)] == [moved, moved, UNREADABLE]
    assert tx.all(str, "SELECT ticket_id FROM work_items_told") == [ITEM]


def test_what_bodies_of_before_hold_for_this_region_alone_is_moved_page_by_page_and_stands_in_no_body(
    adapter: Adapter,
) -> None:
    now = migrations_of(*PACKAGES)

    async def scenario() -> None:
        async with adapter.open([each for each in now if each.name != FILE]) as store:
            await store.write(fill)
        assert adapter.migrate(now) == [FILE]
        async with adapter.open(now) as store:
            move = COMPLAINTS.row_migrations["complaints"]
            assert await store.write(lambda tx: move(tx, 2)) == 2  # a process that was killed after its first page
        async with adapter.open(now) as store:
            assert await migrate_rows(store) == 3
            await store.read(check_moved)
            assert await migrate_rows(store) == 0
            await store.write(lambda tx: COMPLAINTS.erasure.forget[KIND](tx, CASE))
            assert (await store.read(lambda tx: imported_among(tx, ["ERP-1"])))["ERP-1"] == Known(CASE, UNREADABLE)

    run(scenario())
