"""The stored measurements: the received pieces, and their totals by hour and by day."""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from gateway.api.region.v1.alarm_pb2 import QualityFigure
from gateway.api.region.v1.measurement_service_pb2 import Measurement, SendMeasurementsRequest
from gateway.store.batched_lookup import rows_among
from gateway.store.port import Transaction, Value
from region_node.network.measurements.thresholds import ThresholdState
from region_node.network.measurements.totals import Figures, added, decoded, encoded

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
Table = Literal["measurement_hours", "measurement_days"]
Period = tuple[str, int]
"""An object, and the start of an hour or a day, in microseconds."""

ThresholdStates = Mapping[QualityFigure.ValueType, ThresholdState]


@dataclass(frozen=True)
class _Kept:
    object: str
    start: int
    totals: str


def insert_piece(tx: Transaction, stream: str, first: int, measurements: Sequence[Measurement], end: int) -> None:
    """Adds measurements that follow each other, by the number of the first; `end` is when their last window ended."""
    content = SendMeasurementsRequest(measurements=measurements).SerializeToString()
    tx.execute(
        "INSERT INTO measurement_pieces (stream, first_sequence, measurements, end_time, content)"
        " VALUES (:stream, :first, :count, :end, :content)",
        stream=stream,
        first=first,
        count=len(measurements),
        end=end,
        content=zlib.compress(content, 1),
    )


def add_totals(tx: Transaction, table: Table, more: Mapping[Period, Figures]) -> None:
    """Adds to the totals of hours, or days."""
    keys = {_key(*period): period for period in more}
    known = {
        _key(each.object, each.start): each
        for each in rows_among(tx, _Kept, f"SELECT object, start, totals FROM {table} WHERE period", sorted(keys))  # noqa: S608
    }
    changed: list[Mapping[str, Value]] = []
    new: list[Mapping[str, Value]] = []
    for key, period in keys.items():
        if key in known:
            totals = encoded(added([decoded(known[key].totals), more[period]]))
            changed.append({"period": key, "totals": totals})
        else:
            new.append({"period": key, "object": period[0], "start": period[1], "totals": encoded(more[period])})
    tx.execute_many(f"UPDATE {table} SET totals = :totals WHERE period = :period", changed)  # noqa: S608 - of two names
    tx.execute_many(
        f"INSERT INTO {table} (period, object, start, totals)"  # noqa: S608 - of two names
        " VALUES (:period, :object, :start, :totals)",
        new,
    )


def totals_between(tx: Transaction, table: Table, about: str, first: int, last: int) -> list[tuple[int, Figures]]:
    """The totals of an object's hours or days that began from `first` to `last`, in order."""
    found = tx.all(
        _Kept,
        f"SELECT object, start, totals FROM {table} WHERE object = :about"  # noqa: S608 - of two names
        " AND start BETWEEN :first AND :last ORDER BY start",
        about=about,
        first=first,
        last=last,
    )
    return [(each.start, decoded(each.totals)) for each in found]


def totals_since(tx: Transaction, first: int) -> dict[str, Figures]:
    """The totals of each object over all hours that began at `first` or later."""
    sql = "SELECT object, start, totals FROM measurement_hours WHERE start >= :first"
    found: dict[str, list[Figures]] = {}
    for each in tx.all(_Kept, sql, first=first):
        found.setdefault(each.object, []).append(decoded(each.totals))
    return {about: added(parts) for about, parts in found.items()}


def threshold_states_of(tx: Transaction, objects: Iterable[str]) -> dict[str, ThresholdStates]:
    """The threshold states of objects with figures that are not at rest."""
    query = "SELECT object, states FROM threshold_states WHERE object"
    rows = rows_among(tx, lambda about, text: (str(about), str(text)), query, sorted(objects))
    return {about: _states(text) for about, text in rows}


def keep_threshold_states(tx: Transaction, about: str, states: ThresholdStates) -> None:
    """Stores the threshold states of an object, without those at rest."""
    tx.execute("DELETE FROM threshold_states WHERE object = :about", about=about)
    if states:
        text = json.dumps({figure: (e.over, e.under, int(e.is_raised), e.last_start) for figure, e in states.items()})
        tx.execute("INSERT INTO threshold_states (object, states) VALUES (:about, :text)", about=about, text=text)


def _states(text: str) -> ThresholdStates:
    stored = cast("dict[str, tuple[int, int, int, int]]", json.loads(text))
    return {
        QualityFigure.ValueType(int(figure)): ThresholdState(over, under, bool(is_raised), last)
        for figure, (over, under, is_raised, last) in stored.items()
    }


def _key(about: str, start: int) -> str:
    return f"{about} {start}"
