"""The plans of the nightly purge: no statement reads a table from end to end that grows with customers or time."""

import re
from collections.abc import Iterator

import pytest

from region_node.network.agreements.outages import withdraw_outages
from tests.unit.purging import NOW, Archive, archive

BOUNDED = {
    "completed_orders",  # a row for each day and region
    *("legal_holds", "holds_of_others", "held"),  # by authorities, a few
    *("wrong_answers", "network_streams"),  # of the open codes; a row for each stream
}
"""Tables with few rows."""
FIRST = re.compile(r"ORDER BY sequence LIMIT 1$")
"""The first row by the key, at which a scan ends."""


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def scanned(kept: Archive, sql: str) -> set[str]:
    """The tables that a statement reads from end to end without an index."""
    plan = "; ".join(row[3] for row in kept.connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    parts = re.findall(r"CO-ROUTINE (\w+)", plan)
    return set(re.findall(r"SCAN (\w+)(?=;|$)", plan)) - set(parts) - BOUNDED


def test_neither_a_night_nor_a_withdrawn_outage_reads_a_table_from_end_to_end(kept: Archive) -> None:
    statements = list[str]()
    kept.night(NOW)
    kept.connection.set_trace_callback(statements.append)
    kept.night(NOW.replace(day=25))
    withdraw_outages(kept.tx, kept.context, "sichuan/1", 1, NOW)
    kept.connection.set_trace_callback(None)
    asked = {each for each in statements if each.startswith(("SELECT", "DELETE", "UPDATE", "WITH"))}
    tables = ("surveys", "waived_times", "service_outages", "disclosures", "usage_records")
    assert all(any(f"FROM {table}" in each for each in asked) for table in tables)
    found = {each: scanned(kept, each) for each in asked if not FIRST.search(each)}
    assert {sql: tables for sql, tables in found.items() if tables} == {}
