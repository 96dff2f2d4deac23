"""Reconciliation on SQLite and on PostgreSQL: the records of a pair of regions, and the pages of what is stored."""

from datetime import UTC, date, datetime, timedelta

from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_pb2 import Repair, RepairState
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import SETTLED
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.reconciliation.port import Wanted
from region_node.business.reconciliation.repair_rows import keep_repair, list_repairs, repairs_about
from region_node.business.reconciliation.rows import (
    DayRow,
    close_unseen,
    day_key,
    difference_key,
    expect_answer,
    forget_before,
    keep_day,
    keep_difference,
    list_days,
    list_differences,
    unsettled_days,
)
from region_node.business.reconciliation.rules import ENDED, OPEN, Pair, Record
from region_node.business.reconciliation.rules import SETTLED as HAS_SETTLED
from region_node.business.settlement.debts import Debt, note_debt, owed_by_region
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, COMPENSATION, EntryKind, payable, transfer
from region_node.node.context import RegionContext
from tests.contract.test_purging import a_transaction as a_transaction
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE

HERE, THERE = "guangdong", "sichuan"
NOW = datetime(2030, 6, 14, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = {each.name: each for each in SETTLED}
DAY = "2030-06-14"


def order(tx: Transaction, name: str, state: OrderState.ValueType, *, home: str = THERE, when: datetime = NOW) -> str:
    """An order of the counter here."""
    made = Order(id=f"{HERE}/counter/{name}", origin_region=HERE, home_region=home, state=state, version=1)
    made.request.business, made.request.number = "PAY", LINE.number
    made.create_time.CopyFrom(to_timestamp(when))
    insert_order(tx, OrderRow(made, ""), when)
    return made.id


def owed(tx: Transaction, posting_id: str, amount: int) -> None:
    posting = transfer(posting_id, EntryKind.PAYMENT_OWED, amount, debit=CASH, credit=payable(THERE))
    ledger.post(tx, posting, "CNY", NOW)


def test_the_orders_of_a_pair_and_a_day_come_with_the_sums_of_their_own_postings(tx: Transaction) -> None:
    completed = OrderState.ORDER_STATE_COMPLETED
    twice = order(tx, "1", completed)
    order(tx, "10", OrderState.ORDER_STATE_CANCELLED)
    order(tx, "11", OrderState.ORDER_STATE_HELD)
    order(tx, "2", completed, home="henan")
    order(tx, "3", completed, when=NOW + HOUR)
    for posting_id, amount in ((f"{twice}#owed", 100), (f"{twice}#again", 30), (f"{HERE}/counter/12#owed", 7)):
        owed(tx, posting_id, amount)
    found = KINDS["order"].records(tx, Wanted(HERE, THERE, NOW, NOW + HOUR))
    assert sorted(found) == [
        Record(twice, HAS_SETTLED, "completed", 130, "CNY", 2),
        Record(f"{HERE}/counter/10", ENDED, "cancelled"),
        Record(f"{HERE}/counter/11", OPEN, "held"),
    ]
    others = [kind for name, kind in KINDS.items() if name != "order"]
    assert [record for kind in others for record in kind.records(tx, Wanted(HERE, THERE, NOW, NOW + HOUR))] == []


def test_the_debts_of_a_pair_and_a_day_come_with_the_sums_of_their_own_postings(tx: Transaction) -> None:
    rows = (
        ("waived-rent", "f1#waived0", THERE, HERE, NOW),
        ("waived-rent", "f1#waived1", THERE, THERE, NOW + HOUR),
        ("waived-rent", "f2#waived0", "henan", HERE, NOW),
        ("warranty-part", "f1#part1", THERE, THERE, NOW),
        ("warranty-part", "f1#part10", THERE, THERE, NOW),
    )
    for kind, serial, region, debtor, time in rows:
        tx.execute(
            "INSERT INTO regional_debts (kind, serial, region, debtor, create_time) VALUES (:k, :s, :r, :d, :t)",
            k=kind,
            s=serial,
            r=region,
            d=debtor,
            t=to_microseconds(time),
        )
    owed(tx, "f1#waived0#owed", 12)
    owed(tx, "f1#waived0#again", 12)
    owed(tx, "f1#part10#owed", 7)
    wanted = Wanted(HERE, THERE, NOW, NOW + HOUR)
    assert list(KINDS["waived-rent"].records(tx, wanted)) == [
        Record("f1#waived0", HAS_SETTLED, "owed", 24, "CNY", 2),
    ]
    assert sorted(KINDS["warranty-part"].records(tx, wanted)) == [
        Record("f1#part1", HAS_SETTLED, "owed"),
        Record("f1#part10", HAS_SETTLED, "owed", 7, "CNY", 1),
    ]


def test_what_each_region_owes_is_the_sum_of_its_debts_with_a_prefix(tx: Transaction) -> None:
    node = RegionContext(Border(HERE, keys().signers[HERE], keys().trusted, CurrentFederation()))
    node.border.current.update(FEDERATION, [])
    debts = (
        ("a1/2030-06#caused-1-sichuan", THERE, THERE, 30),
        ("a1/2030-06#caused-2-sichuan", THERE, HERE, 12),
        ("a1/2030-06#caused-1-henan", "henan", HERE, 5),
        ("a1/2030-07#caused-1-sichuan", THERE, THERE, 100),
        ("a11/2030-06#caused-1-sichuan", THERE, THERE, 1000),
    )
    for serial, region, debtor, amount in debts:
        creditor = HERE if debtor != HERE else region
        debt = Debt("agreement-credit", serial, debtor, creditor, amount, NOW)
        assert note_debt(tx, node, debt, EntryKind.CREDIT_OWED, COMPENSATION, NOW)
        assert not note_debt(tx, node, debt, EntryKind.CREDIT_OWED, COMPENSATION, NOW)
    assert owed_by_region(tx, "agreement-credit", "a1/2030-06#") == {THERE: 18, "henan": -5}
    assert owed_by_region(tx, "agreement-credit", "a2/2030-06#") == {}


def test_days_are_listed_page_by_page_and_compared_until_they_are_settled(tx: Transaction) -> None:
    days = [(region, f"2030-06-{day}") for day in (14, 13) for region in ("henan", "sichuan")]
    for region, day in days:
        settled = int(day.endswith("13"))
        keep_day(tx, DayRow(region, day, 1, 1, b"a", b"a", 1 - settled, to_microseconds(NOW), settled))
    listed, place = [], ""
    while page := list_days(tx, "", "", place, 1):
        listed += [(each.region, each.day) for each in page]
        place = day_key(page[-1])
    assert listed == days
    assert [each.day for each in list_days(tx, "henan", DAY, "", 10)] == [DAY]
    assert unsettled_days(tx, "henan") == {date(2030, 6, 14)}
    expect_answer(tx, "henan", "2030-06-13")
    assert unsettled_days(tx, "henan") == {date(2030, 6, 13), date(2030, 6, 14)}
    forget_before(tx, "2030-06-20")
    assert [each.region for each in list_days(tx, "", "2030-06-13", "", 10)] == ["henan", "sichuan", "henan"]


def test_differences_are_listed_page_by_page_and_closed_once_a_comparison_does_not_find_them(tx: Transaction) -> None:
    record = Record("", HAS_SETTLED, "completed", 5, "CNY", 1)
    wanted = [("henan", "order", "a"), ("sichuan", "order", "a"), ("sichuan", "order", "b"), ("sichuan", "remedy", "a")]
    for region, kind, serial in wanted:
        pair = Pair(serial, record._replace(serial=serial), None)
        keep_difference(tx, KINDS[kind], region, DAY, pair, NOW, NOW, HOUR)
    listed, place = [], ""
    while page := list_differences(tx, KINDS, "", place, 1, closed=False):
        listed += [(each.region, each.record_kind, each.serial) for each in page]
        place = difference_key(page[-1])
    assert listed == wanted
    pair = Pair("a", record._replace(serial="a"), None)
    keep_difference(tx, KINDS["order"], "sichuan", DAY, pair, NOW + HOUR, NOW + HOUR, HOUR)
    assert close_unseen(tx, "sichuan", DAY, "order", NOW + HOUR, NOW + HOUR) == 1
    still = list_differences(tx, KINDS, "sichuan", "", 10, closed=False)
    assert [(each.record_kind, each.serial, each.here.amount.minor_units) for each in still] == [
        ("order", "a", 5),
        ("remedy", "a", 5),
    ]
    assert unsettled_days(tx, "sichuan") == {date(2030, 6, 14)}


def test_repairs_are_listed_from_the_newest_and_found_by_their_record(tx: Transaction) -> None:
    states = (RepairState.REPAIR_STATE_DONE, RepairState.REPAIR_STATE_PROPOSED, RepairState.REPAIR_STATE_PROPOSED)
    for number, state in enumerate(states):
        repair = Repair(id=f"{HERE}/staff/li/{number}", record_kind="order", serial=f"s{number % 2}", state=state)
        repair.create_time.CopyFrom(to_timestamp(NOW + number * HOUR))
        keep_repair(tx, KINDS, repair)
    assert [each.id[-1] for each in list_repairs(tx, KINDS, None, 10, undecided=False)] == ["2", "1", "0"]
    before = (to_microseconds(NOW + 2 * HOUR), f"{HERE}/staff/li/2")
    assert [each.id[-1] for each in list_repairs(tx, KINDS, before, 10, undecided=True)] == ["1"]
    assert [each.id[-1] for each in repairs_about(tx, KINDS, "order", "s0")] == ["0", "2"]
