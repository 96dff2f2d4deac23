"""Staff who compare their region's records with those of others in the middle of all faults, and repair them."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.reconciliation_pb2 import Difference, DifferenceKind, Repair, RepairAct, RepairState
from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.app.registered import SETTLED
from region_node.business.reconciliation.repair_rows import repairs_about
from region_node.business.reconciliation.rows import find_difference, list_differences
from region_node.customers.accounts.rules import EntryKind, payable, receivable
from tests.simulation import world
from tests.simulation.calls import served
from tests.simulation.history import History
from tests.simulation.people import Line
from tests.simulation.region import Region

FIRST_RECONCILED, LAST_RECONCILED = 20_000, 29_999
"""Accountants are in the runs of these seeds, so that the others stay what they were."""
AGREE = "regions agree on a day"
NAMED = "differences are named"
REPAIRED = "repaired once"
NIGHT_COMES = 20.0  # virtual seconds after the beginning of a run, in the middle of its faults
ZONE = ZoneInfo("Asia/Shanghai")  # of all regions
_KINDS = {each.name: each for each in SETTLED}
_COMPARED = timedelta(days=2)  # the next night compares the three days before
_PLANTS = 2  # defects of a run
_MISSING = (DifferenceKind.DIFFERENCE_KIND_MISSING_HERE, DifferenceKind.DIFFERENCE_KIND_MISSING_THERE)
_UNSETTLED = (DifferenceKind.DIFFERENCE_KIND_IN_FLIGHT, DifferenceKind.DIFFERENCE_KIND_LATE)
_CORRECT = RepairAct.REPAIR_ACT_CORRECT


def reconciles(seed: int) -> bool:
    """Whether a run has accountants."""
    return FIRST_RECONCILED <= seed <= LAST_RECONCILED


def until_evening(start: datetime) -> timedelta:
    """The time from the usual start of a run to the one from which the night comes in the middle of the faults."""
    midnight = datetime.combine(start.astimezone(ZONE).date() + timedelta(days=1), time(), ZONE)
    return midnight.astimezone(UTC) - timedelta(seconds=NIGHT_COMES) - start


def differences(region: Region, *, closed: bool = False) -> list[Difference]:
    """What a region has found."""
    return region.ports.disk.read(lambda tx: list_differences(tx, _KINDS, "", "", 1000, closed=closed))


@dataclass(frozen=True)
class Planted:
    """A posting that nobody of the shipped code has made: `amount` more is owed by the books of one region."""

    serial: str
    region: str
    other: str
    amount: int
    kind: DifferenceKind.ValueType


class Accountant:
    """The accountant of a region."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._source = line.source
        self._identity = world.staff(line.region.name, "accountant")

    @property
    def region(self) -> str:
        """The region's name."""
        return self._line.region.name

    async def compare_for_ever(self) -> None:
        """Has the present day, or the one before, compared with another region again and again."""
        others = [each for each in world.REGIONS if each != self.region]
        while True:
            await asyncio.sleep(self._source.uniform(2.0, 6.0))
            day = self._line.region.ports.clock.of_people().astimezone(ZONE).date() - timedelta(
                days=self._source.randint(0, 1)
            )
            request = api.CompareDayRequest(region=self._source.choice(others), day=f"{day}")
            try:
                await self._line.insist(lambda node: served(node.reconciliation.CompareDay, self._identity, request))  # noqa: B023
            except Refused as refused:
                self._note(f"may not compare: {reason_name(refused.reason)}")

    async def propose(self, planted: Planted, to: str) -> str:
        """Proposes the correction of a difference to another region, once or twice; the id of the repair."""
        request = api.ProposeRepairRequest(
            request_id=f"repair-{planted.serial.replace('/', '-')}",
            region=to,
            record_kind="order",
            serial=planted.serial,
            act=_CORRECT,
            acting_region=planted.region,
            note="found in the night",
        )
        repair = Repair()
        for _ in range(self._times()):
            answer = await self._line.insist(
                lambda node: served(node.reconciliation.ProposeRepair, self._identity, request)
            )
            repair = answer.repair
        self._note("proposes a repair", planted.serial)
        return repair.id

    async def confirm(self, repair_id: str, serial: str) -> None:
        """Confirms a repair of another region, once or twice."""
        request = api.DecideRepairRequest(request_id=f"decide-{serial.replace('/', '-')}", repair_id=repair_id)
        request.confirmed = True
        for _ in range(self._times()):
            await self._line.insist(lambda node: served(node.reconciliation.DecideRepair, self._identity, request))
        self._note("confirms a repair", serial)

    def _times(self) -> int:
        return 2 if self._source.random() < 0.5 else 1

    def _note(self, what: str, about: str = "") -> None:
        self._line.history.note(f"{self.region}/accountant", what, about)


def plant(regions: Sequence[Region], source: random.Random, history: History, now: datetime) -> list[Planted]:
    """Writes postings into the books of regions, past every rule: one as large as the payment, or of another amount.

    They are about payments of days that the next night compares.
    """
    payments = sorted(
        (order_id, region.name, home)
        for region in regions
        for order_id, home in region.ports.disk.connection.execute(
            "SELECT order_id, home_region FROM orders WHERE business = 'PAY' AND state = ? AND origin_region = ?"
            " AND home_region <> origin_region AND erased = 0 AND create_time >= ?",
            (OrderState.ORDER_STATE_COMPLETED, region.name, to_microseconds(now - _COMPARED)),
        )
    )
    by_name = {each.name: each for each in regions}
    found = []
    for serial, origin, home in source.sample(payments, min(_PLANTS, len(payments))):
        is_origin, doubles = source.random() < 0.5, source.random() < 0.5
        here, there = (origin, home) if is_origin else (home, origin)
        account = payable(home) if is_origin else receivable(origin)
        disk = by_name[here].ports.disk
        (booked,) = disk.connection.execute(
            "SELECT SUM(amount) FROM ledger_entries WHERE account = ? AND posting_id >= ? AND posting_id < ?",
            (account, f"{serial}#", f"{serial}$"),
        ).fetchone()
        amount = booked if doubles else booked // abs(booked)
        for name, value in ((account, amount), ("planted", -amount)):
            disk.connection.execute(
                "INSERT INTO ledger_entries (posting_id, account, amount, currency, kind, time)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (f"{serial}#planted", name, value, world.CURRENCY, str(EntryKind.PAYMENT_OWED), to_microseconds(now)),
            )
        doubled, other = DifferenceKind.DIFFERENCE_KIND_DOUBLED, DifferenceKind.DIFFERENCE_KIND_DIFFERENT_AMOUNT
        planted = Planted(serial, here, there, abs(amount), doubled if doubles else other)
        history.note(here, f"{planted.amount} is planted", serial)
        history.count("defects planted")
        found.append(planted)
    return found


def check_named(regions: Sequence[Region], planted: Sequence[Planted], history: History) -> None:
    """Each planted difference is open in both regions by its name, and else nothing but orders that end at night."""
    expected = {(region, each.serial): each.kind for each in planted for region in (each.region, each.other)}
    found = {
        (region.name, each.serial): each.kind
        for region in regions
        for each in differences(region)
        if each.kind not in _UNSETTLED or (region.name, each.serial) in expected
    }
    for region, serial in sorted(expected.keys() | found.keys()):
        here, there = found.get((region, serial)), expected.get((region, serial))
        if here != there:
            told = [DifferenceKind.Name(each) if each is not None else "equal" for each in (here, there)]
            history.broken(
                NAMED if there is not None else AGREE, serial, f"in {region} it is {told[0]} and not {told[1]}"
            )


def check_never_missing(regions: Sequence[Region], history: History) -> None:
    """No order was ever called missing: an origin stores it first, and nothing is lost."""
    for region in regions:
        found = differences(region, closed=True)
        history.counts["differences found"] += len(found)
        history.counts["differences in flight"] += sum(each.kind in _UNSETTLED for each in found)
        for each in found:
            if each.record_kind == "order" and each.kind in _MISSING:
                kind = DifferenceKind.Name(each.kind)
                history.broken(NAMED, each.serial, f"{region.name} has called it {kind} towards {each.region}")


def check_repaired(regions: Sequence[Region], planted: Sequence[Planted], history: History) -> None:
    """Each planted difference is corrected by one posting of one region, and both regions know it."""
    for each in planted:
        serial, posted = each.serial, list[int]()
        for region in regions:
            rows = region.ports.disk.connection.execute(
                "SELECT amount FROM ledger_entries WHERE posting_id >= ? AND posting_id < ? AND kind = 'reconciled'"
                " AND (account LIKE 'payable/%' OR account LIKE 'receivable/%')",
                (f"{serial}#", f"{serial}$"),
            )
            posted += [abs(amount) for (amount,) in rows]
        if posted != [each.amount]:
            history.broken(REPAIRED, serial, f"corrections of {posted} are posted, and {each.amount} was planted")
        for region in regions:
            if region.name in (each.region, each.other):
                repairs = region.ports.disk.read(lambda tx, name=serial: _states(tx, name))  # type: ignore[misc]
                if repairs != [RepairState.REPAIR_STATE_DONE]:
                    history.broken(REPAIRED, serial, f"in {region.name} the repairs stand at {repairs}")


def _states(tx: Transaction, serial: str) -> list[RepairState.ValueType]:
    return [each.state for each in repairs_about(tx, _KINDS, "order", serial)]


def has_proposal(region: Region, repair: str, serial: str) -> bool:
    """Whether a proposal has arrived."""
    found: list[Repair] = region.ports.disk.read(lambda tx: repairs_about(tx, _KINDS, "order", serial))
    return any(each.id == repair for each in found)


def has_difference(region: Region, other: str, serial: str) -> bool:
    """Whether a region has an open difference about an order."""
    found = region.ports.disk.read(lambda tx: find_difference(tx, _KINDS, other, "order", serial))
    return found is not None and not found.HasField("closed_time")
