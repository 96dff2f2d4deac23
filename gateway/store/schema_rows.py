"""The schema of a database as a transaction finds it, beside the adapters, which read it before there is one."""

from gateway.store import sqlite_schema
from gateway.store.port import Transaction
from gateway.store.schema import APPLIED, EXPANDING, Applied


def applied_to(tx: Transaction, engine: str) -> Applied:
    """The migrations applied to a database of an engine; none in an empty one."""
    if not has_table(tx, engine, "schema_migrations"):
        return Applied()
    expansions = tx.all(_name, EXPANDING) if has_table(tx, engine, "schema_expansions") else []
    return Applied.of(tx.all(_row, APPLIED), expansions)


def count_applied(tx: Transaction) -> int:
    """How many migrations were applied to a database that a process serves from."""
    return tx.first(int, "SELECT COUNT(*) FROM schema_migrations") or 0


def has_table(tx: Transaction, engine: str, name: str) -> bool:
    """Whether the database has a table."""
    if engine == sqlite_schema.ENGINE:
        found = tx.first(str, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = :name", name=name)
        return found is not None
    return bool(tx.first(bool, "SELECT to_regclass(:name) IS NOT NULL", name=name))


def _row(package: str, name: str, checksum: str) -> tuple[str, str, str]:
    return package, name, checksum


def _name(package: str, name: str) -> tuple[str, str]:
    return package, name
