"""The times at which a region sends its audit head to its witnesses: each minute, and the first rows immediately."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from region_node.node.witnessing import rows
from region_node.node.witnessing.notifier import is_due
from tests.empty_database import empty_database
from tests.unit.situations import NOW

SECOND = timedelta(seconds=1)


@pytest.fixture(name="tx")
def transaction() -> Iterator[Transaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def tell(tx: Transaction, now: datetime, row: int, *, answers: bool = True) -> None:
    """Sends a head with this row to the witness, which keeps it if it answers."""
    claimed = rows.claim(tx, "henan", now)
    assert claimed is not None
    if answers:
        rows.update(tx, replace(claimed, told=now, head=Head(row, bytes(32)) if row else claimed.head))


def act(tx: Transaction) -> None:
    """Something is done that the chain says."""
    audit.append(tx, now=NOW, actor="region/sichuan", action="Anything", subject="-", detail="")


def is_told(tx: Transaction, after: timedelta) -> bool:
    """Whether a statement is due after a time; the check and the claim agree."""
    due = is_due(tx, "henan", NOW + after)
    assert not due or rows.claim(tx, "henan", NOW + after) is not None
    return due


def test_a_witness_is_told_each_minute(tx: Transaction) -> None:
    act(tx)
    tell(tx, NOW, 1)
    act(tx)
    assert not is_told(tx, rows.INTERVAL - SECOND)
    assert is_told(tx, rows.INTERVAL)


def test_a_witness_that_keeps_no_row_yet_is_told_of_the_first_at_once(tx: Transaction) -> None:
    tell(tx, NOW, 0)
    assert not is_told(tx, rows.INTERVAL - SECOND), "of an empty chain there is nothing new to tell"
    act(tx)
    assert is_told(tx, SECOND)


def test_a_witness_that_does_not_answer_is_not_asked_more_often(tx: Transaction) -> None:
    tell(tx, NOW, 0, answers=False)
    act(tx)
    assert not is_told(tx, rows.INTERVAL - SECOND)
    assert is_told(tx, rows.INTERVAL)
