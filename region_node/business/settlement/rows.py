"""Statements as stored. They are records of bookkeeping without personal data, and stay."""

from typing import NamedTuple

from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without


@prints_without("body")
class _StatementRow(NamedTuple):
    """The columns of a statement."""

    region: str
    month: str
    state: int
    body: bytes


_STATEMENTS = Table("settlement_statements", _StatementRow, key=("region", "month"))


def keep_statement(tx: Transaction, region: str, statement: SettlementStatement) -> None:
    """Stores the statement with another region, in place of its state before."""
    row = _StatementRow(region, statement.terms.month, statement.state, statement.SerializeToString())
    tx.keep(_STATEMENTS, row)


def find_statement(tx: Transaction, region: str, month: str) -> SettlementStatement | None:
    """The statement of a month with another region; None if neither has signed it."""
    row = tx.find(_STATEMENTS, region, month)
    return None if row is None else SettlementStatement.FromString(row.body)


def statements_with(tx: Transaction, region: str, from_month: str) -> list[SettlementStatement]:
    """The statements with another region of a month and later ones, in order."""
    return tx.all(
        SettlementStatement.FromString,
        "SELECT body FROM settlement_statements WHERE region = :region AND month >= :month ORDER BY month",
        region=region,
        month=from_month,
    )


def is_any_pending(tx: Transaction, region: str) -> bool:
    """Whether a statement with another region has one signature, or is contested."""
    found = tx.first(
        int,
        "SELECT 1 FROM settlement_statements WHERE region = :region AND state IN (:proposed, :contested) LIMIT 1",
        region=region,
        proposed=SettlementState.SETTLEMENT_STATE_PROPOSED,
        contested=SettlementState.SETTLEMENT_STATE_CONTESTED,
    )
    return found is not None


def list_statements(tx: Transaction, month: str, before: str, limit: int) -> list[tuple[str, SettlementStatement]]:
    """At most `limit` keys and statements, the newest month first, behind a key `<month> <region>`.

    An empty month means all of them.
    """
    last_month, _, last_region = before.partition(" ")
    rows = tx.all(
        _StatementRow,
        "SELECT region, month, state, body FROM settlement_statements WHERE (:month = '' OR month = :month)"
        " AND (:last = '' OR month < :last OR (month = :last AND region > :region))"
        " ORDER BY month DESC, region LIMIT :limit",
        month=month,
        last=last_month,
        region=last_region,
        limit=limit,
    )
    return [(f"{each.month} {each.region}", SettlementStatement.FromString(each.body)) for each in rows]
