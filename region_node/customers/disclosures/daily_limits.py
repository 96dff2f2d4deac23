"""Limits of the readings that another region has in a day, at the home region of the customers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.store.timers import set_timer
from region_node.node.context import RegionContext

NEAR, OVER = "near", "over"
_NEAR_PERCENT = 80
_DAYS_COUNTED = 30


class _Readings(NamedTuple):
    day: str
    region: str
    readings: int
    denied: int
    proven: int


@dataclass(frozen=True)
class DailyLimit:
    """The limit of one kind of reading. Without its policy, and for the home region itself, there is none."""

    name: str
    """The policy with the readings that a region permits another one in a day, and the matter of the alert, alike."""
    reason: Reason.ValueType
    """Of the refusal beyond the limit."""
    table: str
    """The table of the counts, by day of the home region and asking region."""
    alert: str
    """The action of the audit row of an alert."""
    asks_proofs: bool = False
    """Whether the home region asks for proofs of the people of a reading."""

    @property
    def timer(self) -> str:
        """The kind of the timers by which people are alerted."""
        return self.table.replace("_", "-")

    def has_unproven(self, tx: Transaction, reader: str, day: str) -> bool:
        """Whether proofs are missing for a reading of a day, or for a denied one."""
        known = self._known(tx, day, reader)
        return self.asks_proofs and known.proven < known.readings + known.denied

    def reached(self, tx: Transaction, context: RegionContext, reader: str, now: datetime) -> Refused | None:
        """The refusal of a reading beyond the limit of the day; None within it. Writes nothing."""
        limit = self._limit(context, reader)
        if limit is None or self._known(tx, _day(context, now), reader).readings < limit:
            return None
        return Refused(self.reason, region=reader, limit=str(limit))

    def count(
        self, tx: Transaction, context: RegionContext, reader: str, now: datetime, *, denied: bool, proven: bool = False
    ) -> None:
        """Counts a reading, or a denied one, and whether it had proofs of its people.

        A timer of the same transaction alerts the persons on duty at home near the limit, and at the first denial.
        """
        limit = self._limit(context, reader)
        if limit is None:
            return
        known = self._known(tx, _day(context, now), reader)
        proofs = known.proven + proven
        if denied:
            tx.keep(self._counts, known._replace(denied=known.denied + 1, proven=proofs))
            if not known.denied:
                self._alert(tx, known, OVER, now)
            return
        tx.keep(self._counts, known._replace(readings=known.readings + 1, proven=proofs))
        if known.readings + 1 == max(1, limit * _NEAR_PERCENT // 100):
            self._alert(tx, known, NEAR, now)

    def forget(self, tx: Transaction, now: datetime) -> None:
        """Removes the counts of days that nobody looks at any more."""
        oldest = (now.date() - timedelta(days=_DAYS_COUNTED)).isoformat()
        tx.execute(f"DELETE FROM {self.table} WHERE day < :oldest", oldest=oldest)  # noqa: S608 - a constant

    @cached_property
    def _counts(self) -> Table[_Readings]:
        return Table(self.table, _Readings, key=("day", "region"))

    def _limit(self, context: RegionContext, reader: str) -> int | None:
        return None if reader == context.region else context.figure(self.name, reader)

    def _known(self, tx: Transaction, day: str, reader: str) -> _Readings:
        return tx.find(self._counts, day, reader) or _Readings(day, reader, 0, 0, 0)

    def _alert(self, tx: Transaction, readings: _Readings, what: str, now: datetime) -> None:
        subject = f"{readings.region}/{readings.day}/{what}"
        set_timer(tx, f"{self.timer}/{subject}", kind=self.timer, subject=subject, due=now)


def _day(context: RegionContext, now: datetime) -> str:
    return now.astimezone(ZoneInfo(context.time_zone)).date().isoformat()
