"""The charges of a line for a month, and abnormal bills. Pure.

Rent is due for every day except days of suspension from beginning to end, by customer or operator. The days of opening,
suspension, resumption and termination count. The last plan of the line in the month gives rent and rates. A value-added
service and roaming cost the whole month in which they ran at any time. A pack costs its price once, in its first month,
and holds for that month. A contract reduces the rent of every month at whose end it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Offering, OfferingKind, Plan
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType
from gateway.values.money import share_half_up
from region_node.business.billing.rating import Charge, Tariff, Volume, rate
from region_node.business.billing.rules import Month
from region_node.customers.accounts.rules import CHARGES, EntryKind, Posting, charge
from region_node.customers.states import LineState

BILLS_COMPARED = (
    3  # months before, whose mean is the measure of an abnormal bill (Telecommunications Regulations, art. 33)
)
_IN_SERVICE = (ProductStatus.PRODUCT_STATUS_ACTIVE, ProductStatus.PRODUCT_STATUS_PENDING_TERMINATE)
_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)

PlanOf = Callable[[str], Plan | None]


@dataclass(frozen=True)
class Item:
    """An offering that a line has from `start` up to `end`, if that is known."""

    offering: Offering
    start: datetime
    end: datetime | None

    def runs_at(self, instant: datetime) -> bool:
        """Whether the subscription runs at an instant."""
        return self.start <= instant and (self.end is None or instant < self.end)

    def runs_between(self, start: datetime, end: datetime) -> bool:
        """Whether the subscription runs at some time from `start` up to `end`."""
        return self.start < end and (self.end is None or start < self.end)


@dataclass(frozen=True)
class LineMonth:
    """All of a line that its charges for one month depend on."""

    product_id: str
    rating_type: RatingType.ValueType
    states: Sequence[LineState]
    items: Sequence[Item]
    used: Volume

    @property
    def is_prepaid(self) -> bool:
        """Whether the line is charged in advance, and for usage immediately."""
        return self.rating_type == RatingType.RATING_TYPE_PREPAID

    def had_service(self, month: Month) -> bool:
        """Whether the line was there at some time of the month."""
        closed = (ProductStatus.PRODUCT_STATUS_TERMINATED, ProductStatus.PRODUCT_STATUS_CREATED)
        return any(
            start < month.end and end > month.start and state.status not in closed
            for state, start, end in _spans(self.states, month.end)
        )


def rent_days(states: Sequence[LineState], month: Month, until: datetime) -> int:
    """How many days of a month rent is due for, up to `until`."""
    zone, days = ZoneInfo(month.time_zone), set[date]()
    for state, start, end in _spans(states, min(until, month.end)):
        first = max(start, month.start)
        if state.status in _IN_SERVICE and first < end:
            day, last = first.astimezone(zone).date(), (end - _INSTANT).astimezone(zone).date()
            while day <= last:
                days.add(day)
                day += _DAY
    return len(days)


def tariff_of(line: LineMonth, month: Month, until: datetime, plan_of: PlanOf) -> Tariff:
    """The tariff of the line's usage in a month; for an unknown plan, usage costs nothing."""
    plan = plan_of(_plan_id(line.states, min(until, month.end)))
    packs = [item.offering.allowance for item in _packs(line, month)]
    return Tariff() if plan is None else Tariff.of(plan, packs)


def charges_of(line: LineMonth, month: Month, until: datetime, plan_of: PlanOf) -> tuple[Charge, ...]:
    """The charges of a line for a month, up to `until`; one charge for each kind. Without a known plan, no rent."""
    until = min(until, month.end)
    plan, days = plan_of(_plan_id(line.states, until)), rent_days(line.states, month, until)
    found: list[Charge] = []
    if plan is not None and days:
        price = plan.monthly_rent.minor_units
        rent = share_half_up(price, days, month.days)
        found.append(Charge(EntryKind.RENT, rent, days, 0, price))
        off = sum(
            item.offering.price.minor_units
            for item in line.items
            if item.offering.kind == OfferingKind.OFFERING_KIND_CONTRACT and item.runs_at(until - _INSTANT)
        )
        if off:
            found.append(Charge(EntryKind.DISCOUNT, -min(off, rent), 1))
    if line.used != Volume():
        found += rate(line.used, tariff_of(line, month, until, plan_of))
    running = [item for item in line.items if days and item.runs_between(month.start, until)]
    value_added, roaming = OfferingKind.OFFERING_KIND_VALUE_ADDED, OfferingKind.OFFERING_KIND_ROAMING
    for kind, items in (
        (EntryKind.VALUE_ADDED, [each for each in running if each.offering.kind == value_added]),
        (EntryKind.ROAMING, [each for each in running if each.offering.kind == roaming]),
        (EntryKind.PACKS, [each for each in _packs(line, month) if each.start < until]),
    ):
        if items:
            found.append(Charge(kind, sum(each.offering.price.minor_units for each in items), len(items)))
    return tuple(found)


def in_advance(line: LineMonth, month: Month, at: datetime, plan_of: PlanOf) -> tuple[Charge, ...]:
    """The advance charges of a prepaid line for a month, by its state `at` the start: rent less a discount."""
    states = [state for state in line.states if state.time <= at]
    if not line.is_prepaid or not states:
        return ()
    as_it_stands = LineMonth(line.product_id, line.rating_type, states, line.items, Volume())
    found = charges_of(as_it_stands, month, month.end, plan_of)
    return tuple(each for each in found if each.kind in (EntryKind.RENT, EntryKind.DISCOUNT))


def postings(
    account: str, month: Month, due: Mapping[EntryKind, int], charged: Mapping[EntryKind, int], part: str = ""
) -> list[Posting]:
    """The remaining postings of a month: the due charges less the booked ones, one posting for each kind.

    Their ids hold account, month and kind, so that nothing is booked twice; `part` separates bookings of one month.
    """
    missing = {kind: due.get(kind, 0) - charged.get(kind, 0) for kind in CHARGES}
    return [
        charge(f"{account}/{month.name}#{kind}{part}", kind, amount, account)
        for kind, amount in missing.items()
        if amount
    ]


def total_of(charges: Sequence[Charge]) -> dict[EntryKind, int]:
    """Charges of several lines by kind."""
    found: dict[EntryKind, int] = {}
    for each in charges:
        found[each.kind] = found.get(each.kind, 0) + each.amount
    return found


def is_abnormal(total: int, before: Sequence[int], times: int, *, at_the_edge: bool) -> bool:
    """Whether a bill is many times the mean of the three before (Telecommunications Regulations, art. 33).

    `times` and `at_the_edge` are the policies `abnormal-bill-times` and `abnormal-bill-at-the-edge`. With fewer bills
    before it there is no mean.
    """
    if len(before) < BILLS_COMPARED or total <= 0:
        return False
    mean_times, edge = times * sum(before), total * len(before)
    return edge > mean_times or (at_the_edge and edge == mean_times)


def _packs(line: LineMonth, month: Month) -> list[Item]:
    return [
        item
        for item in line.items
        if item.offering.kind == OfferingKind.OFFERING_KIND_PACK and month.start <= item.start < month.end
    ]


def _plan_id(states: Sequence[LineState], until: datetime) -> str:
    known = [state for state in states if state.time < until]
    return known[-1].plan_id if known else ""


def _spans(states: Sequence[LineState], until: datetime) -> list[tuple[LineState, datetime, datetime]]:
    """Each state with its start and its end."""
    ends = [after.time for _, after in pairwise(states)] + [until]
    return [(state, state.time, min(end, until)) for state, end in zip(states, ends, strict=True)]
