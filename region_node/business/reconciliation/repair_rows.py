"""Repairs, as stored in both regions: sealed under the subject of the record."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.reconciliation_pb2 import Repair, RepairState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.business.reconciliation.port import SettledKind


@prints_without("body")
class _RepairRow(NamedTuple):
    """The columns of a repair."""

    repair_id: str
    record_kind: str
    serial: str
    state: int
    create_time: int
    body: bytes


class _Proposer(NamedTuple):
    """The certificates of the proposer of a repair, as `pem_of`."""

    repair_id: str
    certificates: bytes


_REPAIRS = Table("reconciliation_repairs", _RepairRow, key=("repair_id",))
_PROPOSERS = Table("repair_proposers", _Proposer, key=("repair_id",))
_COLUMNS = ", ".join(_REPAIRS.columns)


def keep_repair(tx: Transaction, kinds: Mapping[str, SettledKind], repair: Repair) -> None:
    """Stores a repair, in place of its state before."""
    subject = kinds[repair.record_kind].subject(repair.serial)
    row = _RepairRow(
        repair_id=repair.id,
        record_kind=repair.record_kind,
        serial=repair.serial,
        state=repair.state,
        create_time=to_microseconds(from_timestamp(repair.create_time)),
        body=vault.seal(tx, subject, _place(repair.id), repair.SerializeToString()),
    )
    tx.keep(_REPAIRS, row)


def keep_proposer(tx: Transaction, repair_id: str, certificates: bytes) -> None:
    """Stores the certificates of the proposer of a repair, as `pem_of`; nothing for none."""
    if certificates:
        tx.keep(_PROPOSERS, _Proposer(repair_id, certificates))


def certificates_of_proposer(tx: Transaction, repair_id: str) -> bytes | None:
    """The certificates of the proposer of a repair; None where the proposing region has sent none."""
    found = tx.find(_PROPOSERS, repair_id)
    return None if found is None else found.certificates


def find_repair(tx: Transaction, kinds: Mapping[str, SettledKind], repair_id: str) -> Repair | None:
    """A repair; None for an unknown one, and for one whose record was erased."""
    row = tx.find(_REPAIRS, repair_id)
    return None if row is None else _opened(tx, kinds, row)


def require_repair(tx: Transaction, kinds: Mapping[str, SettledKind], repair_id: str) -> Repair:
    """As `find_repair`. Raises Refused with REPAIR_NOT_FOUND."""
    found = find_repair(tx, kinds, repair_id)
    if found is None:
        raise Refused(Reason.REASON_REPAIR_NOT_FOUND, repair=repair_id)
    return found


def repairs_about(tx: Transaction, kinds: Mapping[str, SettledKind], record_kind: str, serial: str) -> list[Repair]:
    """The repairs of a record, by id."""
    rows = tx.all(
        _RepairRow,
        f"SELECT {_COLUMNS} FROM reconciliation_repairs"  # noqa: S608 - names of columns
        " WHERE serial = :serial AND record_kind = :record_kind ORDER BY repair_id",
        serial=serial,
        record_kind=record_kind,
    )
    return [each for each in (_opened(tx, kinds, row) for row in rows) if each is not None]


def is_under_way(repair: Repair) -> bool:
    """Whether a repair is proposed, or confirmed and not done."""
    return repair.state in (RepairState.REPAIR_STATE_PROPOSED, RepairState.REPAIR_STATE_CONFIRMED)


def act_time(repair: Repair) -> datetime | None:
    """The time at which this region did, or heard of, the act of a repair; None before it.

    A repair of an older version has the time of its decision.
    """
    if repair.state != RepairState.REPAIR_STATE_DONE:
        return None
    return from_timestamp(repair.act_time if repair.HasField("act_time") else repair.decide_time)


def list_repairs(
    tx: Transaction, kinds: Mapping[str, SettledKind], before: tuple[int, str] | None, limit: int, *, undecided: bool
) -> list[Repair]:
    """At most `limit` repairs, the newest first, older than `before` (time of the proposal in microseconds, id).

    Repairs whose record was erased are left out.
    """
    time, last = before or (2**62, "")
    rows = tx.all(
        _RepairRow,
        f"SELECT {_COLUMNS} FROM reconciliation_repairs"  # noqa: S608 - names of columns
        " WHERE (create_time < :time OR (create_time = :time AND repair_id < :last))"
        " AND (:undecided = 0 OR state = :proposed) ORDER BY create_time DESC, repair_id DESC LIMIT :limit",
        time=time,
        last=last,
        undecided=int(undecided),
        proposed=RepairState.REPAIR_STATE_PROPOSED,
        limit=limit,
    )
    return [each for each in (_opened(tx, kinds, row) for row in rows) if each is not None]


def forget_repairs(tx: Transaction, oldest: datetime) -> None:
    """Removes repairs that were proposed before an instant, years ago, and are not on their way."""
    ended = "FROM reconciliation_repairs WHERE create_time < :oldest AND state <> :confirmed"
    when, confirmed = to_microseconds(oldest), RepairState.REPAIR_STATE_CONFIRMED
    of_ended = f"DELETE FROM repair_proposers WHERE repair_id IN (SELECT repair_id {ended})"  # noqa: S608 - as below
    tx.execute(of_ended, oldest=when, confirmed=confirmed)
    tx.execute(f"DELETE {ended}", oldest=when, confirmed=confirmed)


def _opened(tx: Transaction, kinds: Mapping[str, SettledKind], row: _RepairRow) -> Repair | None:
    kind = kinds.get(row.record_kind)
    body = None if kind is None else vault.open_if_kept(tx, kind.subject(row.serial), _place(row.repair_id), row.body)
    return None if body is None else Repair.FromString(body)


def _place(repair_id: str) -> str:
    return f"{_REPAIRS.name}/{repair_id}"
