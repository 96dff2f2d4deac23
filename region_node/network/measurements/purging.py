"""Purges measurements, their totals, and cleared alarms. They hold no personal data."""

from dataclasses import dataclass

from gateway.store.port import Transaction
from region_node.network.measurements.measurement_rows import DAY, Period, Table, add_totals
from region_node.network.measurements.totals import Figures, added, decoded
from region_node.records.purging.port import Cut, Page


@dataclass(frozen=True)
class _Hour:
    period: str
    object: str
    start: int
    totals: str


@dataclass(frozen=True)
class _Piece:
    stream: str
    first_sequence: int


class Measurements:
    """Purges measurements as received; their totals stay."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
        found = tx.all(
            _Piece,
            "SELECT stream, first_sequence FROM measurement_pieces WHERE end_time < :before"
            " ORDER BY end_time LIMIT :limit",
            before=cut.before,
            limit=cut.limit,
        )
        tx.execute_many(
            "DELETE FROM measurement_pieces WHERE stream = :stream AND first_sequence = :first_sequence",
            [vars(each) for each in found],
        )
        return Page(len(found), 0, "on" if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT end_time FROM measurement_pieces ORDER BY end_time LIMIT 1")


class MeasurementHours:
    """Purges the totals of hours and adds them to their days, so that each measurement counts once."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
        found = tx.all(
            _Hour,
            "SELECT period, object, start, totals FROM measurement_hours WHERE start < :before"
            " ORDER BY start, period LIMIT :limit",
            before=cut.before,
            limit=cut.limit,
        )
        days: dict[Period, Figures] = {}
        for each in found:
            day = (each.object, each.start - each.start % DAY)
            days[day] = added([days.get(day, {}), decoded(each.totals)])
        if days:
            add_totals(tx, "measurement_days", days)
        _remove(tx, "measurement_hours", [each.period for each in found])
        return Page(len(found), 0, "on" if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT start FROM measurement_hours ORDER BY start LIMIT 1")


class MeasurementDays:
    """Purges the totals of days without hours, and the progress of streams without later data.

    A repeat of such a stream would count no stored data twice.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
        found = tx.all(
            str,
            "SELECT period FROM measurement_days WHERE start < :before ORDER BY start, period LIMIT :limit",
            before=cut.before,
            limit=cut.limit,
        )
        _remove(tx, "measurement_days", found)
        streams = tx.execute(
            "DELETE FROM network_streams WHERE stream IN"
            " (SELECT stream FROM network_streams WHERE time < :before ORDER BY time LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
        )
        return Page(len(found) + streams, 0, "on" if cut.limit in (len(found), streams) else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT start FROM measurement_days ORDER BY start LIMIT 1")


class Alarms:
    """Purges cleared alarms. Active ones are kept, however long."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
        found = tx.all(
            str,
            "SELECT alarm_id FROM alarms WHERE clear_time IS NOT NULL AND clear_time < :before"
            " ORDER BY clear_time, alarm_id LIMIT :limit",
            before=cut.before,
            limit=cut.limit,
        )
        tx.execute_many("DELETE FROM alarms WHERE alarm_id = :alarm_id", [{"alarm_id": each} for each in found])
        return Page(len(found), 0, "on" if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        sql = "SELECT clear_time FROM alarms WHERE clear_time IS NOT NULL ORDER BY clear_time LIMIT 1"
        return tx.first(int, sql)


def _remove(tx: Transaction, table: Table, periods: list[str]) -> None:
    sql = f"DELETE FROM {table} WHERE period = :period"  # noqa: S608 - of two names
    tx.execute_many(sql, [{"period": each} for each in periods])
