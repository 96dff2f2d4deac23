"""Customers of an older, restored database whose numbers other regions own by the number plan: moved, not served."""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.federation.catalogue import Federation
from gateway.store.port import Store, Transaction
from region_node.customers import status
from region_node.customers.events import enter_status
from region_node.customers.known_statuses import forget_restrictions, has_restrictions
from region_node.customers.moved_numbers import home_since_move, is_home_of, note_homes
from region_node.customers.rows import Line, give_up_number, line_at_rest, line_of, lines_numbered
from region_node.lifecycle.moving.port import MoveEnded
from region_node.lifecycle.moving.rows import is_after, moves_with
from region_node.lifecycle.moving.rules import TAKEN_OVER
from region_node.node.context import RegionContext

_PAGE = 500  # numbers in one transaction
_TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
# A line that a receipt has closed has no number any more, and is no trace of a restored database.
_MARKED = (
    "SELECT DISTINCT customer_id FROM products WHERE status <> :terminated AND number NOT LIKE 'moved/%'"
    " AND customer_id IN (SELECT customer_id FROM customers WHERE status = :moved AND status <> 1)"
)
_log = logging.getLogger(__name__)


class RestoredCustomers:
    """Compares the customers of a region with each revision of the number plan, also before the node serves."""

    def __init__(self, context: RegionContext, store: Store) -> None:
        self._context = context
        self._store = store
        self._checked = (0, 0)

    async def check_again(self) -> None:
        """The same as at a start: the database has become an older one. Raises as `check`."""
        self._checked = (0, 0)
        await self.check()

    async def check(self) -> None:
        """Marks customers as moved, or takes the mark away, unless this was done for the plan in force.

        Former homes restrict nobody any more: what they have reported of restricted customers is removed.

        Raises Refused where the store does not respond.
        """
        current = self._context.border.current
        known = (current.revision, current.assignments)
        if known == self._checked:
            return
        federation, region = self._context.federation, self._context.region
        plan, now = federation.number_plan, self._context.border.clock.now()
        revision, count = self._checked
        told = list(plan.book.arrived_after(count) if revision == current.revision else plan.exceptional())
        await self._forget_restrictions(federation, told)
        numbers = [each for each in told if plan.exception_of(each) not in (None, region)]
        marked = 0
        for begin in range(0, len(numbers), _PAGE):
            page = numbers[begin : begin + _PAGE]
            if await self._store.read(partial(moved_away, numbers=page, federation=federation, region=region)):
                mark = partial(mark_moved, numbers=page, federation=federation, region=region, now=now)
                marked += await self._store.write(mark)
        if marked:
            _log.warning("%d customers are marked as moved: the number plan names other homes", marked)
        at_home = partial(marked_at_home, federation=federation, region=region)
        if await self._store.read(at_home):
            await self._store.write(partial(unmark, federation=federation, region=region, now=now))
        self._checked = known

    async def _forget_restrictions(self, federation: Federation, numbers: Sequence[str]) -> None:
        if not await self._store.read(has_restrictions):
            return
        for begin in range(0, len(numbers), _PAGE):
            homes = {each: federation.number_plan.home_of(each) for each in numbers[begin : begin + _PAGE]}
            await self._store.write(lambda tx, homes=homes: forget_restrictions(tx, homes))  # type: ignore[misc]


def moved_away(tx: Transaction, numbers: Sequence[str], federation: Federation, region: str) -> set[str]:
    """The ids of active customers with one of the numbers, in E.164, on a line in service.

    A customer on the way is left out: the receipt of the hand-over closes its accounts. So is one who came to this
    region, which is given, after the plan, and of whose later moves the plan says nothing.
    """
    found = set()
    for each in lines_numbered(tx, numbers):
        if _came_after(tx, each.number, federation, region):
            continue
        line = line_at_rest(tx, each.product_id)
        is_in_service = line is not None and line.status != _TERMINATED
        if is_in_service and status.status_of(tx, each.customer_id) == status.ACTIVE:
            found.add(each.customer_id)
    return found


def mark_moved(tx: Transaction, numbers: Sequence[str], federation: Federation, region: str, now: datetime) -> int:
    """Marks the customers of numbers that have another home, as `moved_away` finds them; returns their count.

    The homes are noted with the plan that names them: an older copy of it takes no mark away.
    """
    found = moved_away(tx, numbers, federation, region)
    for each in lines_numbered(tx, numbers):
        home = federation.number_plan.exception_of(each.number)
        if each.customer_id in found and home is not None:
            note_homes(tx, [each.number], home, each.customer_id, named_by=federation)
    for customer_id in found:
        enter_status(tx, customer_id, status.MOVED, now)
    return len(found)


def _came_after(tx: Transaction, number: str, federation: Federation, region: str) -> bool:
    """Whether the plan is older than every move by which a customer came to a region with a number."""
    if home_since_move(tx, federation, number) != region:
        return False
    moves = [each for each in moves_with(tx, number) if each.state == TAKEN_OVER]
    return bool(moves) and all(each.is_planned or is_after(tx, each, number, federation) for each in moves)


def stale_line(tx: Transaction, number: str, federation: Federation, region: str) -> Line | None:
    """The line that still has a number of a customer who has moved away from this region, as an older database has it.

    None for a number of nobody, and of a customer whose home is here.
    """
    for each in lines_numbered(tx, [number]):
        is_active = status.status_of(tx, each.customer_id) == status.ACTIVE
        is_named = federation.number_plan.exception_of(number) not in (None, region)
        if status.status_of(tx, each.customer_id) == status.MOVED or (is_active and is_named):
            return line_of(tx, each.product_id)
    return None


def free_number(tx: Transaction, line: Line, federation: Federation, region: str, now: datetime) -> None:
    """Takes its number from a line of a customer who has moved, whose account the new home goes on to charge."""
    mark_moved(tx, [line.number], federation, region, now)
    give_up_number(tx, line)


def marked_at_home(tx: Transaction, federation: Federation, region: str) -> list[str]:
    """The ids of marked customers whose numbers all have their home here, as after a corrected exception."""
    marked = tx.all(str, _MARKED, terminated=_TERMINATED, moved=status.MOVED)
    return [each for each in marked if is_home_of(tx, federation, region, each)]


def unmark(tx: Transaction, federation: Federation, region: str, now: datetime) -> None:
    """Serves customers again whose numbers have their home here."""
    for each in marked_at_home(tx, federation, region):
        enter_status(tx, each, status.ACTIVE, now)
        tx.publish(MoveEnded())  # orders that are held for it can be decided
