"""Manipulations of the audit chain in a region's database, and the wait for its witnesses."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.region.v1.audit_service_pb2 import ChainProblemKind
from gateway.auditing.audit import GENESIS, AuditRow
from gateway.federation.witnesses import witnesses_of
from tests.federation.databases import Database
from tests.federation.running import REGIONS, Federation, until

_AT_ONCE = 200
_MINUTES, _PATIENCE = 40, 1.0
_TEXTS = ("actor", "action", "subject", "detail")


@dataclass(frozen=True)
class Manipulation:
    """A manipulation, and its finding: the kind, and the distance of the row from the middle."""

    name: str
    apply: Callable[[list[AuditRow], int], list[AuditRow]]
    kind: ChainProblemKind.ValueType
    place: int


def _altered(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    return [row._replace(actor="nobody") if row.sequence == middle else row for row in rows]


def _removed(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    return [row for row in rows if row.sequence != middle]


def _inserted(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    behind = [row._replace(sequence=row.sequence + 1) for row in rows[middle:]]
    return [*rows[:middle], rows[middle - 1]._replace(sequence=middle + 1), *behind]


def _reordered(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    swapped = [*rows]
    swapped[middle - 1] = rows[middle]._replace(sequence=middle)
    swapped[middle] = rows[middle - 1]._replace(sequence=middle + 1)
    return swapped


def _cut(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    return rows[: middle - 1]


def _rewritten(rows: list[AuditRow], middle: int) -> list[AuditRow]:
    made: list[AuditRow] = []
    for row in _altered(rows, middle):
        made.append(row._replace(hash=row.expected_hash(made[-1].hash if made else GENESIS)))
    return made


MANIPULATIONS = (
    Manipulation("alteration", _altered, ChainProblemKind.CHAIN_PROBLEM_KIND_ALTERED, 0),
    Manipulation("removal", _removed, ChainProblemKind.CHAIN_PROBLEM_KIND_MISSING, 0),
    Manipulation("insertion", _inserted, ChainProblemKind.CHAIN_PROBLEM_KIND_ALTERED, 1),
    Manipulation("reordering", _reordered, ChainProblemKind.CHAIN_PROBLEM_KIND_ALTERED, 0),
    Manipulation("cut tail", _cut, ChainProblemKind.CHAIN_PROBLEM_KIND_CUT, 0),
    Manipulation("whole rewrite", _rewritten, ChainProblemKind.CHAIN_PROBLEM_KIND_REWRITTEN, 0),
)


def read_chain(database: Database) -> list[AuditRow]:
    """The chain as it stands."""
    found = database.rows("SELECT sequence, time, actor, action, subject, detail, hash, salt FROM audit ORDER BY 1")
    return [AuditRow(*row) for row in found]  # type: ignore[arg-type]  # columns are of the fields' types


def write_chain(database: Database, rows: Sequence[AuditRow]) -> None:
    """Puts another chain in its place at once, as nobody but a test does: a loop of the process may add rows."""
    columns = "sequence, time, actor, action, subject, detail, hash, salt"
    values = (
        ", ".join(_literal(database, row) for row in rows[start : start + _AT_ONCE])
        for start in range(0, len(rows), _AT_ONCE)
    )
    database.change("DELETE FROM audit", *(f"INSERT INTO audit ({columns}) VALUES {each}" for each in values))


def _literal(database: Database, row: AuditRow) -> str:
    texts = ["'" + str(getattr(row, name)).replace("'", "''") + "'" for name in _TEXTS]
    return f"({row.sequence}, {row.time}, {', '.join(texts)}, {database.blob(row.hash)}, {database.blob(row.salt)})"


async def until_witnessed(federation: Federation, region: str) -> None:
    """Returns when both witnesses of a region and the coordinator keep the end of its chain as it was at this call."""
    (end,) = federation.database(region).rows("SELECT MAX(sequence) FROM audit")
    names = witnesses_of(region, REGIONS)

    async def holds() -> bool:
        kept = [
            row
            for name in names
            for row in federation.database(name).rows(
                "SELECT sequence FROM witnessed_heads WHERE region = ? AND sequence >= ?", region, end[0]
            )
        ]
        told = federation.database(region).rows("SELECT witness FROM witnesses WHERE sequence >= ?", end[0])
        handed_in = federation.coordinator_database.rows(
            "SELECT 1 FROM audit_heads WHERE region = ? AND sequence >= ?", region, end[0]
        )
        return len(kept) == len(told) == len(names) and handed_in != []

    for _ in range(_MINUTES):
        # A minute in which clocks are not trusted yet is lost, as one in which the witness is away.
        await federation.advance(timedelta(seconds=61))
        with contextlib.suppress(TimeoutError):
            await until(holds, f"the witnesses of {region} keep its head", _PATIENCE)
            return
    raise TimeoutError(f"the witnesses of {region} do not keep its head")
