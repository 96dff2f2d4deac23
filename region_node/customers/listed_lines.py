"""Lists of lines, without those of customers whose data may not be read."""

from datetime import datetime

from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.customers.rows import ALL_LINES, READABLE, Line, LineAtRest, opened_lines
from region_node.records.listing import Direction
from region_node.records.readable import readable_page


def lines_after(
    tx: Transaction, customer_id: str, product_id: str, limit: int, skip: int = 0, *, in_reverse: bool = False
) -> list[Line]:
    """At most `limit` lines that follow a customer's line, by customer id, then by line; the first `skip` passed over.

    Without a customer the list begins. Lines of customers whose data may not be read are left out.
    """
    direction = Direction.of(is_rising=not in_reverse)

    def rows_after(last: LineAtRest | None) -> list[LineAtRest]:
        place = (customer_id, product_id) if last is None else (last.customer_id, last.product_id)
        behind = f"(customer_id, product_id) {direction.later} (:customer_id, :product_id)" if place[0] else "1 = 1"
        return tx.all(
            LineAtRest,
            f"{ALL_LINES} WHERE {behind}{READABLE}"
            f" ORDER BY customer_id {direction.word}, product_id {direction.word} LIMIT :limit OFFSET :skip",
            skip=skip if last is None else 0,
            limit=limit,
            **({"customer_id": place[0], "product_id": place[1]} if place[0] else {}),
        )

    return readable_page(rows_after, lambda rows: opened_lines(tx, rows), limit)


def count_lines(tx: Transaction, most: int) -> int | None:
    """The number of lines that are listed; None where there are more than `most`."""
    rows = f"SELECT 1 FROM products WHERE 1 = 1{READABLE} LIMIT :most"  # noqa: S608 - conditions of this module
    found = tx.first(int, f"SELECT COUNT(*) FROM ({rows}) AS far", most=most + 1)  # noqa: S608 - of the rows above
    return found if found is not None and found <= most else None


def lines_ending(tx: Transaction, start: datetime, end: datetime, after: str, limit: int) -> list[Line]:
    """At most `limit` lines whose contract ends between two instants, by its end, after the place of another line.

    Lines of customers whose data may not be used are left out.

    The place of a line is the end in microseconds and its id, `1790000000000000 line-1`; empty for the first page.
    """
    instant, _, product_id = after.partition(" ")

    def rows_after(last: LineAtRest | None) -> list[LineAtRest]:
        return tx.all(
            LineAtRest,
            f"{ALL_LINES} WHERE contract_end > :start AND contract_end <= :end"
            " AND (contract_end > :instant OR (contract_end = :instant AND product_id > :id))"
            f"{READABLE} ORDER BY contract_end, product_id LIMIT :limit",
            start=to_microseconds(start),
            end=to_microseconds(end),
            instant=last.contract_end if last is not None else int(instant or 0),
            id=last.product_id if last is not None else product_id,
            limit=limit,
        )

    return readable_page(rows_after, lambda rows: opened_lines(tx, rows), limit)
