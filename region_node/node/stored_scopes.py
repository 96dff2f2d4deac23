"""The scopes of operator systems in the database, by which those in force are the same in every process of a region."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from google.protobuf.message import DecodeError

from gateway.api.region.v1.approval_service_pb2 import OperatorScope
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import Clock
from gateway.time.looks import until_look
from region_node.node.operator_scopes import (
    LISTS,
    NAMED,
    NOTHING,
    UNLIMITED,
    OperatorScopes,
    Scope,
    ScopeFile,
    scope_of,
)

LOOK_SECONDS = 1.0  # between two looks at the database: another process may have changed them
_log = logging.getLogger(__name__)


@prints_without("body")
class ScopeRow(NamedTuple):
    """The scope of an operator system, as stored."""

    operator: str
    body: bytes

    @classmethod
    def of(cls, operator: str, scope: Scope) -> "ScopeRow":
        """The row of a scope."""
        return cls(operator, message_of(operator, scope).SerializeToString(deterministic=True))


SCOPES = Table("operator_scopes", ScopeRow, key=("operator",))


def scope_in(operator: str, message: OperatorScope) -> Scope:
    """The scope of a message for an operator system. Raises ValueError where no file may hold it."""
    table: dict[str, object] = {name: list(getattr(message, name)) for name in LISTS if getattr(message, name)}
    table["amount_a_day"] = UNLIMITED if message.amount_unlimited else message.amount_a_day
    if message.staff_named:
        table["staff"] = NAMED
    if message.client_id:
        table["client_id"] = message.client_id
    return scope_of(operator, table)


def message_of(operator: str, scope: Scope) -> OperatorScope:
    """The message of a scope, its names in order."""
    return OperatorScope(
        operator=operator,
        services=sorted(scope.services),
        businesses=sorted(scope.businesses),
        purposes=sorted(scope.purposes),
        amount_a_day=scope.amount_a_day or 0,
        amount_unlimited=scope.amount_a_day is None,
        staff_named=scope.staff == NAMED,
        client_id=scope.client_id,
    )


def taken_over(tx: Transaction) -> str | None:
    """The SHA-256 of the file that the first start took over, in hexadecimal; None before."""
    return tx.first(str, "SELECT sha256 FROM operator_scope_files ORDER BY sha256 LIMIT 1")


def stored_rows(tx: Transaction) -> list[ScopeRow] | None:
    """The scopes in force, by name; None before a file was taken over."""
    rows = tx.all(ScopeRow, "SELECT operator, body FROM operator_scopes ORDER BY operator")
    return rows or (None if taken_over(tx) is None else [])


def read_scopes(rows: Sequence[ScopeRow]) -> tuple[Mapping[str, Scope], Sequence[str]]:
    """The scopes of rows, by name of the operator system, and the problem of each that cannot be read.

    Such a scope allows nothing.
    """
    scopes, problems = dict[str, Scope](), list[str]()
    for each in rows:
        try:
            scopes[each.operator] = scope_in(each.operator, OperatorScope.FromString(each.body))
        except (DecodeError, ValueError) as error:
            scopes[each.operator] = NOTHING
            problems.append(f"{each.operator}: {error}")
    return scopes, problems


def take_over(tx: Transaction, file: ScopeFile, now: datetime) -> None:
    """Stores the scopes of a file, unless one was taken over before."""
    if taken_over(tx) is not None:
        return
    tx.execute("INSERT INTO operator_scope_files (sha256) VALUES (:sha256)", sha256=file.digest)
    for name, scope in file.scopes.items():
        tx.insert(SCOPES, ScopeRow.of(name, scope))
    detail = f"{len(file.scopes)} scopes, SHA-256 {file.digest}"
    audit.append(tx, now=now, actor="node", action="OperatorScopes", subject="-", detail=detail)


class ScopeKeeper:
    """Keeps the scopes in force as the database has them. `store` is the one behind the fence."""

    def __init__(self, scopes: OperatorScopes, store: Store) -> None:
        self._scopes = scopes
        self._store = store
        self._looking = asyncio.Lock()
        self._rows: list[ScopeRow] | None = None

    async def look(self) -> None:
        """Puts the scopes that are stored in force. Raises Refused where they cannot be read."""
        # One look after another, so that an older snapshot never replaces a later one.
        async with self._looking:
            rows = await self._store.read(stored_rows)
            if rows is not None and rows != self._rows:
                scopes, problems = read_scopes(rows)
                self._scopes.put_in_force(scopes)
                for problem in problems:
                    _log.error("a stored scope allows nothing until `region-node scopes set` replaces it: %s", problem)
                if self._rows is None:
                    self._tell_other_file(await self._store.read(taken_over))
                self._rows = rows

    def _tell_other_file(self, taken: str | None) -> None:
        file = self._scopes.file
        if file is None or file.digest != taken:
            _log.warning(
                "the scopes of operator systems are those of the database, which took over another file than %s:"
                " `region-node scopes set` changes them",
                self._scopes.path or "none",
            )

    async def run(self, store: Store, clock: Clock) -> None:
        """Takes over the file at the first start, and follows the database. Never returns. `store` has the fence."""
        is_told = False
        while True:
            try:
                if self._rows is None and (file := self._scopes.file) is not None:
                    await store.write(lambda tx: take_over(tx, file, clock.now()))
                await self.look()
                is_told = False
            except Refused as refused:
                if not is_told:
                    _log.warning("the scopes of operator systems stay as they are: %s", refused)
                is_told = True
            await asyncio.sleep(until_look(LOOK_SECONDS))
