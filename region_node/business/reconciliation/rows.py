"""Compared days and differences, as stored. Both copies of a differing record are sealed under the record's subject."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from gateway.api.region.v1.reconciliation_pb2 import Difference, DifferenceKind, ReconciledDay, ReconciledRecord
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.business.reconciliation.port import SettledKind
from region_node.business.reconciliation.rules import Pair, Record, named


class DayRow(NamedTuple):
    """The columns of a compared day."""

    region: str
    day: str
    records_here: int = 0
    records_there: int = 0
    digest_here: bytes = b""
    digest_there: bytes = b""
    open_records: int = 0
    compare_time: int | None = None
    """When the other region answered last, in microseconds; None for never."""
    is_settled: int = 0


@prints_without("body")
class _DifferenceRow(NamedTuple):
    """The columns of a difference."""

    region: str
    record_kind: str
    serial: str
    day: str
    kind: int
    found_time: int
    seen_time: int
    closed_time: int | None
    repair_id: str
    body: bytes


_DAYS = Table("reconciled_days", DayRow, key=("region", "day"))
_DIFFERENCES = Table("reconciliation_differences", _DifferenceRow, key=("region", "record_kind", "serial"))
_COLUMNS = ", ".join(_DIFFERENCES.columns)


def keep_day(tx: Transaction, row: DayRow) -> None:
    """Stores a compared day, in place of the comparison before."""
    tx.keep(_DAYS, row)


def expect_answer(tx: Transaction, region: str, day: str) -> None:
    """Has a day compared until the other region has answered."""
    known = tx.find(_DAYS, region, day)
    tx.keep(_DAYS, DayRow(region, day) if known is None else known._replace(is_settled=0))


def unsettled_days(tx: Transaction, region: str) -> set[date]:
    """The days without an answer, with open records, or with differences."""
    found = tx.all(
        str,
        "SELECT day FROM reconciled_days WHERE region = :region AND is_settled = 0"
        " UNION SELECT day FROM reconciliation_differences WHERE region = :region AND closed_time IS NULL",
        region=region,
    )
    return {date.fromisoformat(each) for each in found}


def list_days(tx: Transaction, region: str, from_day: str, before: str, limit: int) -> list[ReconciledDay]:
    """At most `limit` days, the newest first, behind the key `before` (`day_key`).

    An empty region means all of them, an empty first day every day.
    """
    day, _, last = before.partition(" ")
    return tx.all(
        _day,
        "SELECT d.region, d.day, records_here, records_there, digest_here, digest_there, open_records, compare_time,"
        " (SELECT COUNT(*) FROM reconciliation_differences AS f"
        " WHERE f.region = d.region AND f.day = d.day AND f.closed_time IS NULL)"
        " FROM reconciled_days AS d WHERE (:region = '' OR d.region = :region) AND d.day >= :from_day"
        " AND (:day = '' OR d.day < :day OR (d.day = :day AND d.region > :last))"
        " ORDER BY d.day DESC, d.region LIMIT :limit",
        region=region,
        from_day=from_day,
        day=day,
        last=last,
        limit=limit,
    )


def compared_in(tx: Transaction, month: str, former: str = "") -> tuple[int, int]:
    """The records of this region compared on the days of a month, `YYYY-MM`, and the differences found on them.

    Those of the region `former` instead, as it was compared with this one, where that is not empty.
    """
    within = "WHERE day >= :first AND day <= :last AND (:former = '' OR region = :former)"
    records = "records_there" if former else "records_here"
    found = tx.first(
        lambda records, differences: (records, differences),
        f"SELECT (SELECT COALESCE(CAST(SUM({records}) AS BIGINT), 0) FROM reconciled_days {within}),"  # noqa: S608
        f" (SELECT COUNT(*) FROM reconciliation_differences {within})",
        first=f"{month}-01",
        last=f"{month}-31",
        former=former,
    )
    return found or (0, 0)


def day_key(day: ReconciledDay) -> str:
    """The place of a day in the list."""
    return f"{day.day} {day.region}"


def keep_difference(
    tx: Transaction,
    kind: SettledKind,
    region: str,
    day: str,
    pair: Pair,
    seen: datetime,
    now: datetime,
    late: timedelta,
) -> None:
    """Stores a difference that the comparison started at `seen` has found, unless a later one has looked at the record.

    Times ahead of `now` are those of a clock that was wrong, and count for nothing.
    """
    known = tx.find(_DIFFERENCES, region, kind.name, pair.serial)
    if known is not None and to_microseconds(seen) < max(known.seen_time, known.closed_time or 0) <= to_microseconds(
        now
    ):
        return
    is_open = known is not None and known.closed_time is None
    found = known.found_time if known is not None and is_open else to_microseconds(now)
    copies = Difference(here=told_record(pair.here), there=told_record(pair.there))
    row = _DifferenceRow(
        region=region,
        record_kind=kind.name,
        serial=pair.serial,
        day=day,
        kind=named(pair, from_microseconds(found), now, late),
        found_time=found,
        seen_time=to_microseconds(seen),
        closed_time=None,
        repair_id=known.repair_id if known is not None and is_open else "",
        body=b"",
    )
    body = vault.seal(tx, kind.subject(pair.serial), _place(row), copies.SerializeToString())
    tx.keep(_DIFFERENCES, row._replace(body=body))


def keep_open(tx: Transaction, region: str, record_kind: str, serial: str, seen: datetime) -> None:
    """Leaves a difference as it is, open or closed, because the comparison started at `seen` cannot tell."""
    tx.execute(
        "UPDATE reconciliation_differences SET seen_time = :seen WHERE region = :region AND record_kind = :kind"
        " AND serial = :serial AND closed_time IS NULL AND seen_time < :seen",
        seen=to_microseconds(seen),
        region=region,
        kind=record_kind,
        serial=serial,
    )


def close_unseen(tx: Transaction, region: str, day: str, record_kind: str, seen: datetime, now: datetime) -> int:
    """Closes the differences that the comparison started at `seen` has not found; returns how many."""
    return tx.execute(
        "UPDATE reconciliation_differences SET closed_time = :now WHERE region = :region AND day = :day"
        " AND record_kind = :kind AND closed_time IS NULL AND (seen_time < :seen OR seen_time > :now)",
        now=to_microseconds(now),
        region=region,
        day=day,
        kind=record_kind,
        seen=to_microseconds(seen),
    )


def require_open(
    tx: Transaction, kinds: Mapping[str, SettledKind], region: str, record_kind: str, serial: str
) -> Difference:
    """An open difference. Raises Refused with DIFFERENCE_NOT_FOUND."""
    found = find_difference(tx, kinds, region, record_kind, serial)
    if found is None or found.HasField("closed_time"):
        raise Refused(Reason.REASON_DIFFERENCE_NOT_FOUND, serial=serial)
    return found


def find_difference(
    tx: Transaction, kinds: Mapping[str, SettledKind], region: str, record_kind: str, serial: str
) -> Difference | None:
    """The latest difference of a record, also a closed one; None if this region never found one."""
    row = tx.find(_DIFFERENCES, region, record_kind, serial)
    return None if row is None else next(iter(_opened(tx, kinds, [row])), None)


def open_day(tx: Transaction, region: str, record_kind: str, serial: str) -> date | None:
    """The business day of a record with an open difference from another region; None without one."""
    row = tx.find(_DIFFERENCES, region, record_kind, serial)
    return None if row is None or row.closed_time is not None else date.fromisoformat(row.day)


def open_serials(tx: Transaction, region: str) -> set[str]:
    """The serials with an open difference from another region."""
    sql = "SELECT serial FROM reconciliation_differences WHERE region = :region AND closed_time IS NULL"
    return set(tx.all(str, sql, region=region))


def months_closed_since(tx: Transaction, region: str, since: datetime) -> set[str]:
    """The months of records whose difference from another region was closed at a time or later."""
    sql = (
        "SELECT DISTINCT SUBSTR(day, 1, 7) FROM reconciliation_differences"
        " WHERE region = :region AND closed_time >= :since"
    )
    return set(tx.all(str, sql, region=region, since=to_microseconds(since)))


def count_open(tx: Transaction, region: str, day: str) -> int:
    """The number of open differences of a day from another region."""
    sql = (
        "SELECT COUNT(*) FROM reconciliation_differences WHERE region = :region AND day = :day AND closed_time IS NULL"
    )
    return tx.first(int, sql, region=region, day=day) or 0


def note_repair(tx: Transaction, region: str, record_kind: str, serial: str, repair_id: str) -> None:
    """Names the latest repair of a difference, if this region has found one."""
    row = tx.find(_DIFFERENCES, region, record_kind, serial)
    if row is not None:
        tx.keep(_DIFFERENCES, row._replace(repair_id=repair_id))


def list_differences(
    tx: Transaction, kinds: Mapping[str, SettledKind], region: str, before: str, limit: int, *, closed: bool
) -> list[Difference]:
    """At most `limit` differences, the newest day first, behind the key `before` (`difference_key`).

    `region` is empty for all. The copies of a record that was erased are left out.
    """
    day, last_region, last_kind, last_serial = (before.split(" ", 3) if before else [""] * 4)[:4]
    rows = tx.all(
        _DifferenceRow,
        f"SELECT {_COLUMNS} FROM reconciliation_differences"  # noqa: S608 - names of columns
        " WHERE (:region = '' OR region = :region) AND (:closed = 1 OR closed_time IS NULL)"
        " AND (:day = '' OR day < :day OR (day = :day AND (region > :last_region OR (region = :last_region"
        " AND (record_kind > :last_kind OR (record_kind = :last_kind AND serial > :last_serial))))))"
        " ORDER BY day DESC, region, record_kind, serial LIMIT :limit",
        region=region,
        closed=int(closed),
        day=day,
        last_region=last_region,
        last_kind=last_kind,
        last_serial=last_serial,
        limit=limit,
    )
    return _opened(tx, kinds, rows)


def difference_key(difference: Difference) -> str:
    """The place of a difference in the list."""
    return f"{difference.day} {difference.region} {difference.record_kind} {difference.serial}"


def forget_before(tx: Transaction, oldest_day: str) -> None:
    """Removes compared days, and closed differences of days, before a day."""
    tx.execute("DELETE FROM reconciled_days WHERE day < :day AND is_settled = 1", day=oldest_day)
    tx.execute(
        "DELETE FROM reconciliation_differences WHERE day < :day AND closed_time IS NOT NULL",
        day=oldest_day,
    )


def told_record(record: Record | None) -> ReconciledRecord | None:
    """A record as a message; None for none."""
    if record is None:
        return None
    amount = Money(minor_units=record.amount, currency=record.currency) if record.postings else None
    return ReconciledRecord(
        serial=record.serial,
        standing=record.standing,
        state=record.state,
        amount=amount,
        postings=record.postings,
    )


def record_of(told: ReconciledRecord) -> Record:
    """A record from its message."""
    amount = told.amount
    return Record(told.serial, told.standing, told.state, amount.minor_units, amount.currency, told.postings)


def _opened(tx: Transaction, kinds: Mapping[str, SettledKind], rows: Sequence[_DifferenceRow]) -> list[Difference]:
    readable = [row for row in rows if row.record_kind in kinds]
    sealed = [vault.Sealing(kinds[each.record_kind].subject(each.serial), _place(each), each.body) for each in readable]
    return [_difference(row, body) for row, body in zip(readable, vault.open_many(tx, sealed), strict=True)]


def _difference(row: _DifferenceRow, body: bytes | None) -> Difference:
    told = Difference.FromString(body or b"")
    told.region, told.day, told.record_kind, told.serial = row.region, row.day, row.record_kind, row.serial
    told.kind, told.repair_id = DifferenceKind.ValueType(row.kind), row.repair_id
    told.found_time.CopyFrom(to_timestamp(from_microseconds(row.found_time)))
    told.seen_time.CopyFrom(to_timestamp(from_microseconds(row.seen_time)))
    if row.closed_time is not None:
        told.closed_time.CopyFrom(to_timestamp(from_microseconds(row.closed_time)))
    return told


def _place(row: _DifferenceRow) -> str:
    return f"{_DIFFERENCES.name}/{row.region}/{row.record_kind}/{row.serial}"


def _day(
    region: str,
    day: str,
    records_here: int,
    records_there: int,
    digest_here: bytes,
    digest_there: bytes,
    open_records: int,
    compare_time: int | None,
    differences: int,
) -> ReconciledDay:
    told = ReconciledDay(
        region=region,
        day=day,
        records_here=records_here,
        records_there=records_there,
        digest_here=digest_here,
        digest_there=digest_there,
        open_records=open_records,
        differences=differences,
    )
    if compare_time is not None:
        told.compare_time.CopyFrom(to_timestamp(from_microseconds(compare_time)))
    return told
