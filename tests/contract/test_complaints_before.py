"""A region's database of an earlier version: this one reads, reports, continues and purges its complaints."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintNote, ComplaintState
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.store.schema import Migration
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.care.complaints.headers import HeaderFilter, list_headers
from region_node.care.complaints.keeping import change_complaint
from region_node.care.complaints.private_notes import private_notes
from region_node.care.complaints.purging import Complaints
from region_node.care.complaints.rows import (
    EVENTS,
    case_of,
    complaint_subject,
    complaints_about,
    find_complaint,
    next_ticket_number,
)
from region_node.lifecycle.holds.operations import held_now
from region_node.node.subjects import number_index
from region_node.records.purging.port import Cut
from tests.contract.programs import REGION_NODE, Installation
from tests.sealing import Sealing

FIRST = "0020_complaints.sql"
TICKET_ID, NUMBER = "sichuan/20251101-7", "+8619851000001"
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
THEN = datetime(2025, 11, 1, 8, tzinfo=UTC)
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"], name="installed")
def one_installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    if request.param == "sqlite":
        return Installation.make(REGION_NODE, tmp_path)
    server: LocalPostgresql = request.getfixturevalue("postgresql_server")
    return Installation.make(REGION_NODE, tmp_path, server.conninfo(request.getfixturevalue("postgresql_database")))


def versions() -> Iterator[str]:
    """The schema files of a region since it has complaints: a database may end with any of them."""
    schema = Path(__file__).parents[2] / "region_node" / "schema"
    yield from sorted(file.name for file in schema.glob("*.sql") if file.name >= FIRST)


def until(migrations: Sequence[Migration], name: str) -> list[Migration]:
    """The files up to and with one."""
    return [each for each in migrations if each.package == "gateway" or each.name <= name]


def filed() -> Complaint:
    """A complaint of a year ago, closed the day after."""
    complaint = Complaint(
        ticket_id=TICKET_ID, origin_region="sichuan", owner_region="sichuan", state=CLOSED, version=2, level=2
    )
    complaint.request.number, complaint.request.category = NUMBER, "BILL_WRONG"
    complaint.request.description = "charged twice"
    complaint.create_time.CopyFrom(to_timestamp(THEN))
    return complaint


def keep(tx: Transaction, version: str) -> None:
    """The rows of a complaint in a node of that version, in each of its tables."""
    body = vault.seal(tx, complaint_subject(TICKET_ID), "complaints", filed().SerializeToString())
    then = to_microseconds(THEN)
    add(
        tx,
        version,
        "complaints",
        ticket_id=TICKET_ID,
        ticket_number=7,
        origin_region="sichuan",
        owner_region="sichuan",
        operator="crm",
        category="BILL_WRONG",
        number_index=number_index(tx, NUMBER),
        severity=2,
        state=CLOSED,
        level=2,
        version=2,
        create_time=then,
        traceparent="",
        body=body,
    )
    for sequence in (1, 2):
        add(
            tx,
            version,
            "complaint_events",
            sequence=sequence,
            ticket_id=TICKET_ID,
            version=sequence,
            state=CLOSED,
            level=2,
            time=then,
        )
    add(tx, version, "complaint_escalations", ticket_id=TICKET_ID, level=2, trigger_code=1, due_time=then, time=then)
    if version >= "0023":
        add(
            tx,
            version,
            "escalation_notices",
            ticket_id=TICKET_ID,
            level=2,
            sink="file",
            content=b"",
            create_time=then,
            due_time=then,
            attempts=1,
            told_time=then,
        )
    if version >= "0024":
        note = vault.seal(
            tx,
            complaint_subject(TICKET_ID),
            "complaint_private_notes",
            ComplaintNote(author="sichuan/chen", text="he was angry").SerializeToString(),
        )
        add(tx, version, "complaint_private_notes", ticket_id=TICKET_ID, number=1, body=note)
    if version >= "0036":
        add(
            tx,
            version,
            "complaint_index",
            ticket_id="guangdong/20251101-3",
            number_index=number_index(tx, NUMBER),
            category="BILL_WRONG",
            create_time=then,
            withdrawn=0,
            traceparent="",
        )


# What columns and tables were called before a schema file renamed them.
BEFORE = {
    "ticket_id": ("0060", "docket"),
    "ticket_number": ("0060", "docket_number"),
    "escalation_notices": ("0062", "complaint_tellings"),
    "complaints.create_time": ("0063", "creation_date"),
    "complaints.origin_region": ("0063", "handling_region"),
    "complaint_index.create_time": ("0063", "creation_date"),
    "due_time": ("0065", "due"),
    "case_id": ("0065", "parent"),
}


def called(name: str, file: str) -> str:
    """The name of a column or a table in a database whose last schema file is `file`, without the table."""
    now = name.rpartition(".")[2]
    since, before = BEFORE.get(name) or BEFORE.get(now) or ("", now)
    return now if file >= since else before


def add(tx: Transaction, file: str, table: str, **columns: Value) -> None:
    """A row with these columns, in a database whose last schema file is `file`."""
    names = ", ".join(called(f"{table}.{each}", file) for each in columns)
    values = ", ".join(":" + each for each in columns)
    tx.execute(f"INSERT INTO {called(table, file)} ({names}) VALUES ({values})", **columns)


@pytest.fixture(
    params=[
        pytest.param(version, marks=pytest.mark.slow if each % 10 else ()) for each, version in enumerate(versions())
    ],
    name="version",
)
def one_version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(name="database")
def a_migrated_database(installed: Installation, version: str) -> Sealing:
    """The database of that version with a complaint, which this version has migrated."""
    installed.place.make_directory()
    installed.place.migrate(until(installed.migrations, version), dry_run=False)
    database = Sealing(installed.place, Path(installed.settings["keys"]))
    with database.transaction() as tx:
        keep(tx, version)
    told = installed.run("migrate")
    assert told.exit_code == 0, told.output
    return database


def test_a_complaint_of_before_is_read_listed_and_carried_on(database: Sealing, version: str) -> None:
    with database.transaction() as tx:
        row = find_complaint(tx, TICKET_ID)
        assert row is not None
        assert row.complaint == filed()
        assert [each.ticket_id for each in complaints_about(tx, NUMBER)] == [TICKET_ID]
        assert [each.ticket_id for each in case_of(tx, TICKET_ID)] == [TICKET_ID]
        (header,) = list_headers(tx, HeaderFilter(NOW, include_ended=True), None, 10)
        assert (header.ticket_id, header.category, header.owner_region) == (TICKET_ID, "BILL_WRONG", "sichuan")
        assert (next_ticket_number(tx), EVENTS.last(tx)) == (8, 2)
        assert [note.text for note in private_notes(tx, TICKET_ID)] == (["he was angry"] if version >= "0024" else [])
        row.complaint.version = 3
        change_complaint(tx, row.complaint, NOW)
        assert EVENTS.last(tx) == 3
        assert (
            tx.first(int, "SELECT COUNT(*) FROM complaint_figures WHERE ticket_id = :ticket_id", ticket_id=TICKET_ID)
            == 1
        )


def test_a_complaint_of_before_is_purged_and_its_number_is_not_given_again(database: Sealing) -> None:
    with database.transaction() as tx:
        cut = Cut(to_microseconds(THEN + timedelta(days=1)), held_now(tx, (), NOW), 10, NOW)
        page = Complaints().page(tx, cut, "")
        assert page.removed == 1
        if page.place:
            Complaints().page(tx, cut, page.place)
        assert find_complaint(tx, TICKET_ID) is None
        for table in ("complaint_escalations", "escalation_notices", "complaint_private_notes", "complaint_index"):
            assert tx.first(int, f"SELECT COUNT(*) FROM {table}") == 0
        assert next_ticket_number(tx) == 8
