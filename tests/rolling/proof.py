"""The conditions afterwards: every accepted order is done, once, and all books agree."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from tests.at_rest import Kept
from tests.crash.outcome import ATTEMPTS_IN_A_FAULT
from tests.crash.records import Records, Row
from tests.crash.regions import SETTLED_SECONDS
from tests.rolling.load import AMOUNT, Line, Load, Taken, by_region

COMPLETED = OrderState.ORDER_STATE_COMPLETED
_ATTEMPTS = 2 * ATTEMPTS_IN_A_FAULT  # an envelope may be on its way while one process is replaced, and then the next
_EACH_ONCE = "SELECT order_id FROM order_events WHERE state = ? ORDER BY order_id"
# On a busy machine a promised time may pass, once, which is a change within one state, and of a foreign order within
# one version.
_REPEATED = (
    "SELECT one.order_id, one.state FROM order_events AS one"
    " JOIN order_events AS other ON other.order_id = one.order_id AND other.version > one.version"
    " JOIN order_events AS later ON later.order_id = one.order_id AND later.version > other.version"
    " WHERE later.state = one.state AND other.state <> one.state"
    " UNION SELECT order_id, state FROM order_events GROUP BY order_id, state, version HAVING COUNT(*) > 2"
)
ENTRIES = "SELECT posting_id, account, amount FROM ledger_entries WHERE posting_id LIKE ?"


def require_all_done_once(load: Load, regions: Mapping[str, Records]) -> None:
    """Waits until all is done, and proves for every order that was ever accepted that it had exactly one effect."""
    for region, taken in by_region(load.taken).items():
        wait_until(lambda: _is_done(regions[region], len(taken)), SETTLED_SECONDS, f"{region} is done")  # noqa: B023 - called at once
    for region, taken in by_region(load.taken).items():
        _require_orders(regions[region], region, taken)
        _require_books(regions[region], region, taken)
        regions[region].verify_chain()
    _require_same_word(load.taken, regions)
    _require_lines(load, regions)
    of_guangdong = {order.order_id for order in load.taken if order.handling == "guangdong"}
    wait_until(lambda: _completed(load.told) >= of_guangdong, SETTLED_SECONDS, "the watch has told every order")
    assert _completed(load.told) == of_guangdong


def attempts(regions: Mapping[str, Records]) -> Counter[int]:
    """How many envelopes were sent how often."""
    found: Counter[int] = Counter()
    for records in regions.values():
        found.update(cast("list[int]", records.column("SELECT attempts FROM outbox")))
    return found


def _is_done(records: Records, orders: int) -> bool:
    waiting = records.count("SELECT COUNT(*) FROM outbox WHERE closed IS NULL")
    return not waiting and records.count("SELECT COUNT(*) FROM orders WHERE state = ?", COMPLETED) >= orders


def _require_orders(records: Records, region: str, taken: Sequence[Taken]) -> None:
    """The orders, the states they entered, their envelopes and their rows in the audit chain, each once."""
    ids = _sorted(order.order_id for order in taken)
    assert records.column("SELECT order_id FROM orders ORDER BY order_id") == ids
    assert records.column("SELECT order_id FROM orders WHERE state <> ?", COMPLETED) == []
    assert records.column(_EACH_ONCE, COMPLETED) == ids
    repeated = records.rows(_REPEATED)
    assert not repeated, f"entered more than once: {repeated}"
    of_orders = "SELECT timer_id FROM timers WHERE kind LIKE 'order-%' OR subject IN (SELECT order_id FROM orders)"
    assert records.rows(of_orders) == []
    here = [order for order in taken if order.handling == region]
    requests = records.rows("SELECT request_id, order_id FROM requests WHERE caller = ?", OPERATOR)
    assert sorted(requests) == sorted((order.request_id, order.order_id) for order in here)
    submitted = "SELECT subject FROM audit WHERE action = 'SubmitOrder' ORDER BY subject"
    assert records.column(submitted) == _sorted(order.order_id for order in here)
    came = [order.order_id for order in taken if order.handling != region]
    assert records.column("SELECT subject FROM inbox ORDER BY subject") == _sorted(came)
    often = records.rows("SELECT envelope_id, attempts FROM outbox WHERE attempts > ?", _ATTEMPTS)
    assert not often, f"sent too often, with the number of attempts: {often}"


def _require_books(records: Records, region: str, taken: Sequence[Taken]) -> None:
    """The ledger has these entries about payments, and no other."""
    expected = [entry for order in taken if order.business == "PAY" for entry in entries_of(order, region)]
    assert sorted(records.rows(ENTRIES, "%/%#%")) == sorted(expected)
    assert records.rows("SELECT posting_id FROM ledger_entries GROUP BY posting_id HAVING SUM(amount) <> 0") == []


def entries_of(order: Taken, region: str) -> list[Row]:
    """The postings of a payment in a region, with account and amount of each."""
    at_home, counter = region == order.line.home, region == order.handling
    posting, found = order.order_id, list[Row]()
    if at_home:
        debit = f"receivable/{order.handling}" if order.is_foreign else "cash"
        found += [(f"{posting}#credit", order.line.account, AMOUNT), (f"{posting}#credit", debit, -AMOUNT)]
    if counter and order.is_foreign:
        payable = f"payable/{order.line.home}"
        found += [(f"{posting}#taken", "cash", -AMOUNT), (f"{posting}#taken", "payments-in-transit", AMOUNT)]
        found += [(f"{posting}#owed", payable, AMOUNT), (f"{posting}#owed", "payments-in-transit", -AMOUNT)]
    return found


def _require_same_word(taken: Sequence[Taken], regions: Mapping[str, Records]) -> None:
    """Requires the same order and the same receipts in both regions, and matching debts."""
    for handling, home in {(order.handling, order.line.home) for order in taken if order.is_foreign}:
        taken_in, owned = (
            [each for each in regions[region].orders() if (each.origin_region, each.home_region) == (handling, home)]
            for region in (handling, home)
        )
        assert taken_in == owned
        kept = [_receipt(row) for row in regions[handling].sent() if row.peer == home]
        given = [_receipt(row) for row in regions[home].received() if row.peer == handling]
        assert kept == given
        assert _balance(regions[handling], f"payable/{home}") == -_balance(regions[home], f"receivable/{handling}")


def _require_lines(load: Load, regions: Mapping[str, Records]) -> None:
    for line in (line for way in load.ways for line in way.lines):
        assert regions[line.home].line_status(line.number) == _status(line), line


def _status(line: Line) -> ProductStatus.ValueType:
    suspended, active = ProductStatus.PRODUCT_STATUS_SUSPENDED, ProductStatus.PRODUCT_STATUS_ACTIVE
    return suspended if line.suspended else active


def _balance(records: Records, account: str) -> int:
    return records.count(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = ?", account
    )


def _completed(told: Mapping[str, OrderState.ValueType]) -> set[str]:
    return {order_id for order_id, state in dict(told).items() if state == COMPLETED}


def _sorted(values: Iterable[str]) -> list[object]:
    return cast("list[object]", sorted(values))


def _receipt(row: Kept) -> tuple[object, ...]:
    return row.envelope_id, row.receipt_content, row.receipt_signature
