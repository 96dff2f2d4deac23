"""A number moves: a new revision of the plan, and the line with its account handed from one region to another."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import Refused
from gateway.store.port import Operation, Transaction
from gateway.store.timers import set_timer
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, Entry, EntryKind, Posting
from region_node.customers.operations import SUSPENSION_TIMER
from region_node.customers.rows import find_customer, find_line, insert_customer, insert_line
from region_node.customers.subscriptions import keep_subscription, subscriptions_of
from region_node.node.subjects import number_index
from tests.simulation.batch import run_batch
from tests.simulation.coordinator import Coordinator
from tests.simulation.region import Region
from tests.simulation.status import FINAL
from tests.simulation.world import CURRENCY


@dataclass(frozen=True)
class Move:
    """A number, and the regions that it leaves and joins."""

    number: str
    source: Region
    target: Region


class _Standing(NamedTuple):
    """An order as its plain columns tell it: they are read several times a second."""

    id: str
    state: int
    version: int


def is_possible(move: Move) -> bool:
    """A line that somebody is at work on stays where it is until that is done."""
    if any(order.state not in FINAL for order in _orders_at(move.source, move.number)):
        return False
    return move.source.ports.disk.read(lambda tx: find_line(tx, move.number)) is not None


def is_delicate(move: Move, regions: list[Region]) -> bool:
    """Whether the region that it leaves has done something that an origin region does not know of yet."""
    unaware = {
        order.id
        for region in regions
        if region is not move.source
        for order in _orders_at(region, move.number)
        if order.version == 0
    }
    return bool(unaware) and any(order.id in unaware for order in _orders_at(move.source, move.number))


def carry_out(move: Move, coordinator: Coordinator) -> None:
    """Both regions take over the new revision in the instant in which the line changes hands."""
    coordinator.move_number(move.number, move.target.name)
    for region in (move.source, move.target):
        region.learn(coordinator.knowledge())
    revision = coordinator.federation.revision
    disk, now = move.source.ports.disk, move.source.ports.clock.now()
    line = disk.read(lambda tx: find_line(tx, move.number))
    assert line is not None, "a move is carried out only where it is possible"
    customer = disk.read(lambda tx: find_customer(tx, line.customer_id))
    assert customer is not None, "every line has a customer"
    balance = disk.read(lambda tx: ledger.balance(tx, line.account_id))
    subscriptions = disk.read(lambda tx: subscriptions_of(tx, line.product_id))

    def leave(tx: Transaction) -> None:
        if not tx.execute("DELETE FROM products WHERE product_id = :id", id=line.product_id):
            return
        tx.execute("DELETE FROM subscriptions WHERE product_id = :id", id=line.product_id)
        ledger.post(tx, _handed_over(f"{line.account_id}#out{revision}", line.account_id, -balance), CURRENCY, now)

    def arrive(tx: Transaction) -> None:
        if find_line(tx, move.number) is not None:
            return
        if find_customer(tx, customer.customer_id) is None:
            insert_customer(tx, customer)
        insert_line(tx, line)
        for each in subscriptions:
            keep_subscription(tx, each)
        if line.suspension_end is not None:
            timer_id, due = f"{SUSPENSION_TIMER}/{line.product_id}", line.suspension_end
            set_timer(tx, timer_id, kind=SUSPENSION_TIMER, subject=line.product_id, due=due)
        ledger.post(tx, _handed_over(f"{line.account_id}#in{revision}", line.account_id, balance), CURRENCY, now)

    _run(move.source, leave)
    _run(move.target, arrive)


def _handed_over(posting_id: str, account: str, amount: int) -> Posting:
    return Posting(posting_id, EntryKind.OPENING, (Entry(account, amount), Entry(OPENING, -amount)))


def _orders_at(region: Region, number: str) -> list[_Standing]:
    sql = "SELECT order_id, state, version FROM orders WHERE number = :number AND erased = 0"
    return region.ports.disk.read(lambda tx: tx.all(_Standing, sql, number=number_index(tx, number)))


def _run(region: Region, operation: Operation[None]) -> None:
    """Repeats what a failing disk refuses; it may have been done all the same."""
    (outcome,) = run_batch(region.ports.disk, [operation])
    while isinstance(outcome.error, Refused):
        (outcome,) = run_batch(region.ports.disk, [operation])
    assert outcome.error is None, outcome.error
