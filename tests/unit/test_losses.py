"""Findings of losses: numbers and rows go on behind all that may have been given, and nobody can find one falsely."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE, MARGIN
from gateway.errors import Refused
from gateway.store import losses
from gateway.store.losses import Loss, OwnCommits
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_microseconds
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.lifecycle.recovery.operations import Finding, accept
from region_node.records.numbers import Numbers
from region_node.requests.auditing import AuditedCall
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys

NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)
TICKETS = Numbers("faults", "fault_number", purged="purged_faults")
FINDING = Finding("sichuan", (TICKETS,))
CALL = AuditedCall("region/sichuan/staff/zhao", "zhao", NOW + timedelta(minutes=5))


@pytest.fixture
def tx() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway", "region_node")) as connection:
        made = SqliteTransaction(connection, region_keys())
        for each in ("a", "b"):
            audit.append(made, now=NOW, actor=each, action="Add", subject="x")
        yield made


def wanted(tx: SqliteTransaction, number: int, reference: str) -> Loss | Awaited:
    """The loss, or the proposal of its acceptance."""
    return accept(tx, number, reference, CALL, keys().trusted.revocations)


def confirm(tx: SqliteTransaction, waits: Awaited) -> None:
    """A second member of staff confirms an acceptance."""
    decision = Decision("li", confirmed=True)
    decide(tx, waits.approval.approval_id, decision, keys().trusted.revocations, CALL.now)


def accepted_by_two(tx: SqliteTransaction, number: int = 1, reference: str = "INC-1") -> Loss:
    """The loss, once a second member of staff has confirmed its acceptance."""
    waits = wanted(tx, number, reference)
    assert isinstance(waits, Awaited)
    assert losses.require(tx, number).is_open
    confirm(tx, waits)
    accepted = wanted(tx, number, reference)
    assert isinstance(accepted, Loss)
    return accepted


def test_rows_and_numbers_go_on_behind_all_that_a_lost_part_may_have_given(tx: SqliteTransaction) -> None:
    found = FINDING.seen(tx, "coordinator", Head(7, b"7" * 32), NOW)
    assert found is not None
    assert (found.number, found.last_sequence, found.seen_sequence) == (1, 2, 7)
    assert found.catch_up_from == to_microseconds(NOW - BEFORE), "what others have exchanged since the last row"
    assert found.begin_sequence == audit.head(tx).sequence == 2 + 5 + MARGIN + 1
    assert TICKETS.next(tx) == 5 + MARGIN + 1, "each lost row may have given a number"
    assert losses.last_loss(tx) == found
    assert found.is_open
    audit.verify(audit.rows(tx))


def test_a_head_that_the_chain_has_and_one_of_before_the_loss_find_nothing(tx: SqliteTransaction) -> None:
    assert FINDING.seen(tx, "coordinator", audit.head(tx), NOW) is None
    assert FINDING.seen(tx, "coordinator", Head(7, b"7" * 32), NOW) is not None
    for sequence in (1, 2, 3, 7, MARGIN):
        assert FINDING.seen(tx, "region/henan", Head(sequence, b"9" * 32), NOW) is None


def test_a_further_loss_before_the_first_is_accepted_needs_one_decision_for_both(tx: SqliteTransaction) -> None:
    first = FINDING.seen(tx, "coordinator", Head(7, b"7" * 32), NOW)
    assert first is not None
    second = FINDING.lost_commits(tx, 1, 3, NOW)
    assert second == first._replace(
        seen_sequence=first.begin_sequence, commits=3, begin_sequence=audit.head(tx).sequence
    )
    accepted = accepted_by_two(tx)
    assert (accepted.actor, accepted.reference, accepted.is_open) == (CALL.actor, "INC-1", False)
    third = FINDING.lost_commits(tx, 0, 1, NOW)
    assert (third.number, third.witness, third.is_open) == (2, "process/0", True)
    assert losses.incarnation(tx) == third.begin_sequence > second.begin_sequence


def test_a_loss_is_accepted_once_and_by_one_reference(tx: SqliteTransaction) -> None:
    FINDING.seen(tx, "coordinator", Head(7, b"7" * 32), NOW)
    accepted = accepted_by_two(tx)
    assert wanted(tx, 1, "INC-1") == accepted
    with pytest.raises(Refused, match=r"LOSS_ACCEPTED: .*by INC-1"):
        wanted(tx, 1, "INC-2")
    with pytest.raises(Refused, match="LOSS_NOT_FOUND"):
        wanted(tx, 2, "INC-1")
    rows = [row for row in audit.rows(tx) if row.action == "AcceptLoss"]
    assert [(row.actor, row.subject) for row in rows] == [(CALL.actor, "loss/1")]


def test_a_confirmation_is_for_the_loss_as_it_was_then(tx: SqliteTransaction) -> None:
    FINDING.seen(tx, "coordinator", Head(7, b"7" * 32), NOW)
    waits = wanted(tx, 1, "INC-1")
    assert isinstance(waits, Awaited)
    FINDING.lost_commits(tx, 1, 3, NOW)
    confirm(tx, waits)
    assert isinstance(wanted(tx, 1, "INC-1"), Awaited), "the database has lost more since"
    assert losses.require(tx, 1).is_open


def test_a_database_without_any_row_lacks_all(tx: SqliteTransaction) -> None:
    with closing(empty_database("gateway", "region_node")) as connection:
        empty = SqliteTransaction(connection)
        assert FINDING.seen(empty, "region/henan", Head(1, b"1" * 32), NOW) is not None
        assert audit.verify(audit.rows(empty)).sequence == 1 + MARGIN + 1


def test_commits_count_as_lost_once_where_the_database_has_fewer_than_the_process_has_made() -> None:
    own = OwnCommits(made=7)
    assert own.reached(7) == 0
    assert own.reached(9) == 0, "an answer was lost, or another process had the number"
    assert own.reached(4) == 5
    assert own.reached(4) == 0
    assert own.reached(1) == 3
    assert (own.made, own.lost) == (1, 8)
