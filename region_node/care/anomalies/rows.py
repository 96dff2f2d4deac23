"""Anomalies, the counters behind them, and the usual hours of operator systems, as stored."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import WaitingAnomalies
from gateway.api.region.v1.anomaly_service_pb2 import AnomalyCause, AnomalyFinding
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.tables import Key, Table
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.care.anomalies.rules import Counted, OperatorHours

KEPT = timedelta(days=365)
"""The time for which acknowledged anomalies are kept, and operator systems that do not work any more are known."""
ROWS_OF_REGION = 1000
"""The most counters of a region in an hour beside one for the rest: the smallest are folded."""
NAMES_OF_REGION = 1000
"""The most operator systems of a region whose usual hours are learnt; the others have those of the region."""


class Anomaly(NamedTuple):
    """An anomaly; times are in microseconds since 1970."""

    id: str
    hour: int
    cause: AnomalyCause.ValueType
    region: str
    operator: str
    staff_id: str
    counted: int
    most: int
    find_time: int
    due_time: int
    finding: AnomalyFinding.ValueType = AnomalyFinding.ANOMALY_FINDING_UNSPECIFIED
    reference: str = ""
    acknowledger: str = ""
    acknowledge_time: int | None = None

    @property
    def found(self) -> tuple[int, str, str, str, AnomalyCause.ValueType]:
        """The first fields of its `Found`: of one hour, party and cause there is one anomaly."""
        return self.hour, self.region, self.operator, self.staff_id, self.cause


_DEALINGS = Table("dealings", Counted, key=("hour", "region", "operator", "staff_id"))
_HOURS = Table("operator_hours", OperatorHours, key=("region", "operator"))
_ANOMALIES = Table("anomalies", Anomaly, key=("id",))
_COLUMNS = ", ".join(_ANOMALIES.columns)


def counted(tx: Transaction) -> list[Counted]:
    """All counters, in the order of their hours."""
    return tx.all(Counted, f"SELECT {', '.join(_DEALINGS.columns)} FROM dealings ORDER BY hour")  # noqa: S608 - own names


def end_hour(tx: Transaction, hour: int) -> None:
    """Removes the counters of an hour that is over."""
    tx.execute("DELETE FROM dealings WHERE hour = :hour", hour=hour)


def fold(tx: Transaction, rows: Sequence[Counted]) -> None:
    """Makes fewer counters of those of a region in an hour, where there are too many of them.

    The smallest of an operator system become one of its own; operator systems become one where they are too many.
    """
    operators = {each.operator for each in rows if each.operator}
    staff = [each for each in rows if each.staff_id]
    folded = {each: each._replace(staff_id="") for each in _smallest(staff, ROWS_OF_REGION - len(operators))}
    whole = _summed(folded.get(each, each) for each in rows)
    if len(operators) > ROWS_OF_REGION:
        named = [each for each in whole if each.operator]
        folded = {each: each._replace(operator="") for each in _smallest(named, ROWS_OF_REGION)}
        whole = _summed(folded.get(each, each) for each in whole)
    left = {_DEALINGS.key_of(each) for each in whole}
    for each in rows:
        if _DEALINGS.key_of(each) not in left:
            tx.remove(_DEALINGS, *_DEALINGS.key_of(each))
    for each in set(whole).difference(rows):
        tx.keep(_DEALINGS, each)


def _smallest(rows: Iterable[Counted], kept: int) -> list[Counted]:
    return sorted(rows, key=lambda each: -(each.lines + each.failures))[max(kept, 0) :]


def _summed(rows: Iterable[Counted]) -> list[Counted]:
    """One counter of those of an hour, party and member of staff."""
    sums: dict[Key, Counted] = {}
    for each in rows:
        key = _DEALINGS.key_of(each)
        known = sums.get(key, each._replace(lines=0, failures=0, unknown_numbers=0))
        sums[key] = known._replace(
            lines=known.lines + each.lines,
            failures=known.failures + each.failures,
            unknown_numbers=known.unknown_numbers + each.unknown_numbers,
        )
    return list(sums.values())


def hours_of(tx: Transaction, region: str, operator: str) -> OperatorHours | None:
    """The usual hours of an operator system, or, without a name, of its region; None before its first work."""
    return tx.find(_HOURS, region, operator)


def has_room(tx: Transaction, region: str) -> bool:
    """Whether the usual hours of one more operator system of a region are learnt."""
    (known,) = tx.all(int, "SELECT COUNT(*) FROM operator_hours WHERE region = :region", region=region)
    return known < NAMES_OF_REGION


def keep_hours(tx: Transaction, hours: OperatorHours) -> None:
    """Stores usual hours."""
    tx.keep(_HOURS, hours)


def insert(tx: Transaction, anomaly: Anomaly) -> None:
    """Stores a new anomaly."""
    tx.insert(_ANOMALIES, anomaly)


def update(tx: Transaction, anomaly: Anomaly) -> None:
    """Stores a changed anomaly."""
    tx.update(_ANOMALIES, anomaly)


def require(tx: Transaction, anomaly_id: str) -> Anomaly:
    """The anomaly with an id. Raises Refused with ANOMALY_NOT_FOUND."""
    known = tx.find(_ANOMALIES, anomaly_id)
    if known is None:
        raise Refused(Reason.REASON_ANOMALY_NOT_FOUND, anomaly=anomaly_id)
    return known


def of_hours(tx: Transaction, hours: Iterable[int]) -> list[Anomaly]:
    """The anomalies of some hours."""
    return [each for hour in hours for each in tx.find_all(_ANOMALIES, hour=hour)]


def before(tx: Transaction, place: tuple[int, str], limit: int, *, is_all: bool) -> list[Anomaly]:
    """At most `limit` anomalies before a place, a time and an id, newest first; only what waits, unless `is_all`."""
    waits = "" if is_all else " AND finding = 0"
    return tx.all(
        Anomaly,
        f"SELECT {_COLUMNS} FROM anomalies WHERE (find_time, id) < (:time, :id){waits}"  # noqa: S608 - own names
        " ORDER BY find_time DESC, id DESC LIMIT :limit",
        time=place[0],
        id=place[1],
        limit=limit,
    )


def waiting(tx: Transaction) -> list[WaitingAnomalies]:
    """The anomalies that wait for people, by the asking region."""
    return tx.all(
        _told,
        "SELECT region, COUNT(*), MIN(find_time) FROM anomalies WHERE finding = 0 GROUP BY region ORDER BY region",
    )


def forget(tx: Transaction, now: datetime) -> None:
    """Removes old anomalies that do not wait for people, and operator systems that do not work any more."""
    oldest = now - KEPT
    tx.execute("DELETE FROM anomalies WHERE find_time < :oldest AND finding <> 0", oldest=to_microseconds(oldest))
    tx.execute("DELETE FROM operator_hours WHERE last_day < :oldest", oldest=int(oldest.timestamp()) // 86400)


def _told(region: str, count: int, since: int) -> WaitingAnomalies:
    return WaitingAnomalies(region=region, count=count, begin_time=to_timestamp(from_microseconds(since)))
