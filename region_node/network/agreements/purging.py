"""Purges statements, agreements that have ended, and outages and planned outages that are over."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page, place_of


@dataclass(frozen=True)
class _Statement:
    agreement_id: str
    month: str
    revision: int
    create_time: int
    customer_id: str

    @property
    def key(self) -> str:
        return f"{self.agreement_id} {self.month} {self.revision}"


@dataclass(frozen=True)
class _Agreement:
    agreement_id: str
    end_time: int
    customer_id: str


class Agreements:
    """Purges statements by their date, then ended agreements without statements, then past outages.

    Posted entries stay in the ledger. A month with a purged statement is not computed again.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the key of the last row that was looked at."""
        table, _, after = place.partition(" ")
        if table == "outages":
            return _outages(tx, cut)
        return _agreements(tx, cut, after) if table == "agreements" else _statements(tx, cut, after)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            "SELECT time FROM (SELECT MIN(create_time) AS time FROM agreement_statements"
            " UNION ALL SELECT MIN(end_time) FROM agreements WHERE end_time IS NOT NULL"
            " UNION ALL SELECT MIN(end_time) FROM service_outages"
            " UNION ALL SELECT MIN(end_time) FROM part_outages"
            " UNION ALL SELECT MIN(end_time) FROM planned_outages) AS all_tables"
            " WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )


def _statements(tx: Transaction, cut: Cut, after: str) -> Page:
    instant, key = place_of(after)
    found = tx.all(
        _Statement,
        "SELECT agreement_statements.agreement_id, month, revision, create_time, agreements.customer_id"
        " FROM agreement_statements"
        " JOIN agreements ON agreements.agreement_id = agreement_statements.agreement_id"
        " WHERE create_time < :before AND (create_time > :instant OR (create_time = :instant"
        " AND agreement_statements.agreement_id || ' ' || month || ' ' || CAST(revision AS TEXT) > :key))"
        " ORDER BY create_time, agreement_statements.agreement_id || ' ' || month || ' ' || CAST(revision AS TEXT)"
        " LIMIT :limit",
        before=cut.before,
        instant=instant,
        key=key,
        limit=cut.limit,
    )
    gone = [each for each in found if each.customer_id not in cut.held.customers]
    rows: Sequence[dict[str, Value]] = [
        {"id": each.agreement_id, "month": each.month, "revision": each.revision} for each in gone
    ]
    tx.execute_many(
        "DELETE FROM agreement_statements WHERE agreement_id = :id AND month = :month AND revision = :revision", rows
    )
    is_last = len(found) < cut.limit
    place = "agreements" if is_last else f"statements {found[-1].create_time} {found[-1].key}"
    return Page(len(gone), len(found) - len(gone), place)


def _agreements(tx: Transaction, cut: Cut, after: str) -> Page:
    select = "SELECT agreement_id, end_time, customer_id FROM agreements"
    found = aged(tx, _Agreement, select, cut, after, time="end_time", key="agreement_id", where="end_time IS NOT NULL")
    free = [each for each in found.rows if each.customer_id not in cut.held.customers]
    stated = "SELECT 1 FROM agreement_statements WHERE agreement_id = :id LIMIT 1"
    gone = [each for each in free if tx.first(int, stated, id=each.agreement_id) is None]
    tx.execute_many("DELETE FROM agreements WHERE agreement_id = :id", [{"id": each.agreement_id} for each in gone])
    place = f"agreements {found.behind}" if found.behind else "outages"
    return Page(len(gone), len(found.rows) - len(free), place)


def _outages(tx: Transaction, cut: Cut) -> Page:
    """Purges outages; there is no place, since removed rows are gone."""
    removed = [
        tx.execute(
            "DELETE FROM service_outages WHERE (service, source, agreement_id, start_time) IN"
            " (SELECT service, source, agreement_id, start_time FROM service_outages WHERE end_time < :before"
            " ORDER BY end_time, source LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
        ),
        tx.execute(
            "DELETE FROM part_outages WHERE (source, start_time) IN (SELECT source, start_time FROM part_outages"
            " WHERE end_time < :before ORDER BY end_time, source LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
        ),
        tx.execute(
            "DELETE FROM planned_outages WHERE planned_outage_id IN (SELECT planned_outage_id FROM planned_outages"
            " WHERE end_time < :before ORDER BY end_time, planned_outage_id LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
        ),
        tx.execute(
            "DELETE FROM waived_times WHERE (product_id, source) IN (SELECT product_id, source FROM waived_times"
            " WHERE end_time < :before AND product_id NOT IN (SELECT products.product_id FROM products"
            " JOIN legal_holds ON legal_holds.customer_id = products.customer_id"
            " WHERE legal_holds.until IS NULL OR legal_holds.until > :now)"
            " ORDER BY end_time, product_id LIMIT :limit)",
            before=cut.before,
            limit=cut.limit,
            now=to_microseconds(cut.now),
        ),
        tx.execute(
            "DELETE FROM service_conformance WHERE (service, month) IN (SELECT service, month FROM service_conformance"
            " WHERE month < :month ORDER BY month, service LIMIT :limit)",
            month=f"{from_microseconds(cut.before):%Y-%m}",
            limit=cut.limit,
        ),
    ]
    return Page(sum(removed), 0, "outages on" if max(removed) == cut.limit else "")
