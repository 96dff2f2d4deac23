"""Defects planted in a copy of two regions' data: the nights' comparisons find each, name it, and nothing else."""

from collections import Counter as Counted
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairStanding, ReportReconciliationRequest
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2_grpc import ReconciliationOversightServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Remedy, RemedyState
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_pb2 import Difference, DifferenceKind, ReconciledDay, RepairAct, RepairState
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Cell, Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_complaint_remedies import accepted, in_review, stands

ORIGIN, HOME = "guangdong", "sichuan"
COMPLETED = OrderState.ORDER_STATE_COMPLETED
CORRECT, SEND_AGAIN = RepairAct.REPAIR_ACT_CORRECT, RepairAct.REPAIR_ACT_SEND_AGAIN
RESTORE = RepairAct.REPAIR_ACT_RESTORE
CORRECTED = "Correction after a reconciliation"
TOLD = Counted(
    {
        ("Payment", 700): 2,
        ("Payment", 795): 1,
        ("Payment", 900): 1,
        ("Payment", 1000): 1,
        ("Money for a complaint", 1200): 1,
        (CORRECTED, -700): 1,
        (CORRECTED, 5): 1,
        (CORRECTED, 1300): 1,
    }
)
"""What the bills of the customer name in the end."""
CHINA = ZoneInfo("Asia/Shanghai")
EARLIER, STEP = timedelta(seconds=9), timedelta(seconds=5)


@dataclass(frozen=True)
class Accountant:
    """A member of a region's staff who looks at its comparisons."""

    federation: Federation
    region: str
    name: str

    @property
    def service(self) -> ReconciliationServiceStub:
        path = f"region/{self.region}/staff/{self.name}"
        return ReconciliationServiceStub(self.federation.dial_node(self.region, path))

    async def differences(self) -> list[Difference]:
        """The open ones."""
        answer = await self.service.ListDifferences(api.ListDifferencesRequest(), timeout=CALL_SECONDS)
        return list(answer.differences)

    async def named(self) -> dict[str, str]:
        """The kinds of the open differences by serial."""
        return {
            each.serial: DifferenceKind.Name(each.kind).removeprefix("DIFFERENCE_KIND_").lower()
            for each in await self.differences()
        }

    async def days(self) -> list[ReconciledDay]:
        answer = await self.service.ListReconciledDays(api.ListReconciledDaysRequest(), timeout=CALL_SECONDS)
        return list(answer.days)

    def proposal(self, to: str, kind: str, serial: str, act: RepairAct.ValueType, by: str) -> api.ProposeRepairRequest:
        return api.ProposeRepairRequest(
            request_id=self.federation.next_id(),
            region=to,
            record_kind=kind,
            serial=serial,
            act=act,
            acting_region=by,
            note="found in the night",
        )

    async def propose(self, to: str, kind: str, serial: str, act: RepairAct.ValueType, by: str) -> str:
        """Proposes a repair; its id."""
        request = self.proposal(to, kind, serial, act, by)
        return (await self.service.ProposeRepair(request, timeout=CALL_SECONDS)).repair.id

    async def confirm(self, repair_id: str) -> None:
        """Confirms a repair once it is here."""
        await until(lambda: self.has(repair_id), f"{repair_id} is in {self.region}")
        request = api.DecideRepairRequest(request_id=self.federation.next_id(), repair_id=repair_id, confirmed=True)
        await self.service.DecideRepair(request, timeout=CALL_SECONDS)

    async def states(self) -> dict[str, RepairState.ValueType]:
        """How the repairs stand."""
        answer = await self.service.ListRepairs(api.ListRepairsRequest(), timeout=CALL_SECONDS)
        return {each.id: each.state for each in answer.repairs}

    async def has(self, repair_id: str) -> bool:
        return repair_id in await self.states()


@dataclass(frozen=True)
class Business:
    """The records of a day of both regions, by what is to happen to them; those of the number but for one payment."""

    number: str
    in_flight: str
    doubled: str
    changed: str
    lost_payment: str
    lost_remedy: str
    unbooked_remedy: str
    open_row: Mapping[str, Cell]
    """The first as the origin had it before the home region answered."""

    @property
    def given(self) -> dict[str, int]:
        """The amounts that the customer is to have."""
        return {
            self.in_flight: 1000,
            self.doubled: 700,
            self.changed: 800,
            self.lost_payment: 900,
            self.lost_remedy: 1200,
            self.unbooked_remedy: 1300,
        }

    @property
    def named(self) -> dict[str, str]:
        """The expected names in the region of origin."""
        return {
            self.in_flight: "in_flight",
            self.doubled: "doubled",
            self.changed: "different_amount",
            self.lost_payment: "missing_here",
            self.lost_remedy: "missing_there",
            self.unbooked_remedy: "different_amount",
        }


def row_of(federation: Federation, region: str, order_id: str) -> dict[str, Cell]:
    """An order as a region has stored it."""
    columns = "state, version, awaiting, body, completion_time, is_late, is_returned"
    [row] = federation.database(region).rows(f"SELECT {columns} FROM orders WHERE order_id = ?", order_id)
    return dict(zip(columns.split(", "), row, strict=True))


def set_columns(federation: Federation, region: str, order_id: str, row: Mapping[str, Cell]) -> None:
    """Writes columns of an order, past every rule."""
    database = federation.database(region)

    def written(value: Cell) -> str:
        return "NULL" if value is None else database.blob(value) if isinstance(value, bytes) else f"{value}"

    columns = ", ".join(f"{name} = {written(value)}" for name, value in row.items())
    database.change(f"UPDATE orders SET {columns} WHERE order_id = '{order_id}'")


async def remedied(federation: Federation, number: str, amount: int) -> str:
    """Money for a complaint that the region of origin settles and the home region books; the id of its order."""
    desk = Complainant(federation, ORIGIN)
    ticket_id = await accepted(desk, number, Remedy.REMEDY_CREDIT, owner=ORIGIN, amount=amount)
    order_id = (await in_review(desk, ticket_id)).remedy.order_id
    await Reviewer(federation, HOME).approve(order_id)
    await stands(desk, ticket_id, RemedyState.REMEDY_STATE_BOOKED)
    return order_id


async def do_business(federation: Federation) -> Business:
    """Payments in both directions, and money for two complaints; one payment waits for the home region at first."""
    south, west = Counter(federation, ORIGIN), Counter(federation, HOME)
    number, other = await west.new_customer(), await south.new_customer()
    paid = [(await south.order("PAY", number, amount=f"{amount}")).id for amount in (700, 800, 900)]
    paid.append((await west.order("PAY", other, amount="600")).id)
    remedies = [await remedied(federation, number, amount) for amount in (1200, 1300)]
    await federation.stop_node(HOME)
    waiting: Order = await south.submit(south.request("PAY", number, amount="1000"), wait=0.0)
    open_row = row_of(federation, ORIGIN, waiting.id)
    await federation.start_node(HOME)
    for order_id in (*paid[:3], waiting.id):
        await south.reaches(order_id, COMPLETED)
    await west.reaches(paid[3], COMPLETED)
    return Business(number, waiting.id, paid[0], paid[1], paid[2], remedies[0], remedies[1], open_row)


def lose(federation: Federation, region: str, order_id: str) -> None:
    """A region loses everything that it has about an order, as with an older database."""
    database = federation.database(region)
    database.change(f"DELETE FROM ledger_entries WHERE posting_id LIKE '{order_id}#%'")
    database.change(f"DELETE FROM requests WHERE order_id = '{order_id}'")
    for table in ("outbox", "inbox"):
        database.change(f"DELETE FROM {table} WHERE subject = '{order_id}'")
    for table in ("order_events", "orders"):
        database.change(f"DELETE FROM {table} WHERE order_id = '{order_id}'")


def kept_of(federation: Federation, region: str, order_id: str) -> tuple[list[tuple[Cell, ...]], ...]:
    """What a region has stored and booked of an order."""
    database = federation.database(region)
    columns = "origin_region, home_region, operator, business, number, state, version, create_time, completion_time"
    entries = "posting_id, account, amount, currency, kind"
    return (
        database.rows(f"SELECT {columns}, handling_fee, is_late FROM orders WHERE order_id = ?", order_id),
        database.rows(f"SELECT {entries} FROM ledger_entries WHERE posting_id LIKE ? ORDER BY 1, 2", f"{order_id}#%"),
    )


async def money_told(federation: Federation, number: str, months: Collection[str]) -> Counted[tuple[str, int]]:
    """The lines of a customer's bills about payments, complaints and corrections, as their words and amounts."""
    bills = [await Counter(federation, HOME).bill(number, month) for month in sorted(months)]
    told = [(line.description.en, line.amount.minor_units) for bill in bills for line in bill.lines]
    return Counted(each for each in told if each[0] in ("Payment", "Money for a complaint", CORRECTED))


def money_had(federation: Federation, found: Business) -> dict[str, int]:
    """The sum of each order on the customer's account."""
    booked = "SELECT posting_id, amount FROM ledger_entries WHERE account = ?"
    had = Counted[str]()
    for posting, amount in federation.database(HOME).rows(booked, f"account-{found.number.removeprefix('+')}"):
        had[str(posting).partition("#")[0]] += int(str(amount))
    return {order_id: had[order_id] for order_id in found.named}


def plant(federation: Federation, found: Business) -> None:
    """Plants the defects; each is of one region and one record."""
    for region in (ORIGIN, HOME):
        suffix = "" if federation.region_settings(region).postgresql is None else " ON ledger_entries"
        for trigger in ("ledger_never_changes", "ledger_never_forgets"):
            federation.database(region).change(f"DROP TRIGGER {trigger}{suffix}")
    # A lost receipt: the origin does not know that the order has ended, and has not booked it.
    set_columns(federation, ORIGIN, found.in_flight, found.open_row)
    federation.database(ORIGIN).change(f"DELETE FROM ledger_entries WHERE posting_id = '{found.in_flight}#owed'")
    home = federation.database(HOME)
    home.change(
        "INSERT INTO ledger_entries SELECT posting_id || '-again', account, amount, currency, kind, time"
        f" FROM ledger_entries WHERE posting_id = '{found.doubled}#credit'"
    )
    home.change(
        "UPDATE ledger_entries SET amount = amount + CASE WHEN amount > 0 THEN -5 ELSE 5 END"
        f" WHERE posting_id = '{found.changed}#credit'"
    )
    for region, order_id in ((ORIGIN, found.lost_payment), (HOME, found.lost_remedy)):
        lose(federation, region, order_id)
    home.change(f"DELETE FROM ledger_entries WHERE posting_id = '{found.unbooked_remedy}#remedy'")


async def until_compared(federation: Federation, accountants: Mapping[str, Accountant], day: date) -> None:
    """A night passes; returns once both regions have compared a day with the answer of the other in it."""
    now = federation.clock.now().astimezone(CHINA)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    await federation.advance(midnight - now - EARLIER)
    while (
        now := federation.clock.now()
    ) < midnight:  # in steps in which no region counts as lost, and no clock as wrong
        await federation.advance(min(STEP, midnight - now + timedelta(seconds=1)))

    async def holds() -> bool:
        for each in accountants.values():
            told = [one for one in await each.days() if one.day == f"{day}"]
            if not told or from_timestamp(told[0].compare_time) < midnight:
                return False
        unanswered = "SELECT 1 FROM outbox WHERE closed IS NULL AND subject = ?"
        return not any(federation.database(region).rows(unanswered, f"reconciliation/{day}") for region in accountants)

    await until(holds, f"{day} is compared in the night")


async def standing(federation: Federation, day: date) -> str:
    """The standing of the pair on a day, as the coordinator says it."""
    stub = ReconciliationOversightServiceStub(federation.dial_coordinator("admin/root"))
    report = await stub.ReportReconciliation(ReportReconciliationRequest(from_day=f"{day}"), timeout=CALL_SECONDS)
    [told] = [each for each in report.days if each.day == f"{day}"]
    return PairStanding.Name(told.standing).removeprefix("PAIR_STANDING_").lower()


MIRRORED = {"missing_there": "missing_here", "missing_here": "missing_there"}


@pytest.mark.long("it has a federation of its own, which lives through four nights")
async def test_each_defect_planted_in_a_copy_of_the_data_is_named_and_repaired_by_two_people(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, (ORIGIN, HOME)) as federation:
        day = federation.clock.now().astimezone(CHINA).date()
        found = await do_business(federation)
        for region in (ORIGIN, HOME):
            await federation.stop_node(region)
            federation.back_up(region)()
        losses = ((ORIGIN, found.lost_payment), (HOME, found.lost_remedy))
        kept = [kept_of(federation, region, order_id) for region, order_id in losses]
        had = money_had(federation, found)
        plant(federation, found)
        for region in (ORIGIN, HOME):
            await federation.start_node(region)
        await federation.until_members(dict.fromkeys((ORIGIN, HOME), MemberState.MEMBER_STATE_JOINED))
        li, chen = Accountant(federation, ORIGIN, "li"), Accountant(federation, HOME, "chen")
        accountants = {ORIGIN: li, HOME: chen}

        await until_compared(federation, accountants, day)
        assert await li.named() == found.named
        assert await chen.named() == {serial: MIRRORED.get(kind, kind) for serial, kind in found.named.items()}
        assert await standing(federation, day) == "different"
        await until_compared(federation, accountants, day)
        await until_compared(federation, accountants, day)
        assert await li.named() == {**found.named, found.in_flight: "late"}, "two nights have passed"

        lost = li.proposal(HOME, "remedy", found.lost_remedy, CORRECT, HOME)
        impossible = await refusal(li.service.ProposeRepair(lost, timeout=CALL_SECONDS))
        assert impossible.reason == "REPAIR_IMPOSSIBLE", "what a region lost has no amount to correct"
        repairs = [
            await li.propose(HOME, "order", found.in_flight, SEND_AGAIN, HOME),
            await li.propose(HOME, "order", found.doubled, CORRECT, HOME),
            await chen.propose(ORIGIN, "order", found.changed, CORRECT, HOME),
            await chen.propose(ORIGIN, "remedy", found.unbooked_remedy, CORRECT, HOME),
            await chen.propose(ORIGIN, "remedy", found.lost_remedy, RESTORE, ORIGIN),
            await li.propose(HOME, "order", found.lost_payment, RESTORE, HOME),
        ]
        for repair, other in zip(repairs[:-1], (chen, chen, li, li, li), strict=True):
            await other.confirm(repair)
        await until(lambda: chen.has(repairs[-1]), "the home region has every proposal")
        await federation.stop_node(ORIGIN)
        await chen.confirm(repairs[-1])
        await federation.start_node(ORIGIN)
        await federation.until_members(dict.fromkeys((ORIGIN, HOME), MemberState.MEMBER_STATE_JOINED))

        async def are_done() -> bool:
            done = dict.fromkeys(repairs, RepairState.REPAIR_STATE_DONE)
            return await li.states() == done == await chen.states()

        await until(are_done, "every repair is done, and known in both regions")
        await Counter(federation, ORIGIN).reaches(found.in_flight, COMPLETED)
        assert [kept_of(federation, region, order_id) for region, order_id in losses] == kept, "booked once, as before"
        booked = "SELECT posting_id, account, amount FROM ledger_entries WHERE kind = 'reconciled' AND account LIKE ?"
        corrected = {
            str(posting).partition("#")[0]: amount
            for posting, _, amount in federation.database(HOME).rows(booked, "receivable/%")
        }
        assert corrected == {found.doubled: 700, found.changed: -5, found.unbooked_remedy: -1300}
        assert money_had(federation, found) == had == found.given, "the customer has what both regions agree on"
        months = {f"{each:%Y-%m}" for each in (day, federation.clock.now().astimezone(CHINA))}
        assert await money_told(federation, found.number, months) == TOLD
        notices = federation.database(HOME).rows("SELECT notice_id FROM notices WHERE kind = 'account-corrected'")
        assert sorted(str(each).partition("#")[0] for (each,) in notices) == sorted(corrected), "each is told once"

        async def is_equal() -> bool:
            return await li.named() == await chen.named() == {} and await standing(federation, day) == "equal"

        await until(is_equal, "both regions have compared the day again by themselves")
