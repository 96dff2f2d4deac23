"""A payment is booked twice behind the back of Sichuan's node; the comparison finds it, and two regions repair it."""

import asyncio
import contextlib
import sqlite3
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from deploy.demo import wording
from deploy.demo.client import Client
from deploy.demo.commands import coordinator_command, staff_command
from deploy.demo.fibre_cut_cast import until
from deploy.demo.outage import REQUEST
from deploy.demo.world import World
from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.reconciliation_pb2 import Difference, DifferenceKind, Repair, RepairAct, RepairState
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from gateway.settings import load
from gateway.values.names import snake_case
from region_node.node.settings import RegionSettings

_HERE, _HOME = "guangdong", "sichuan"
_NAMES = {_HERE: "sun.li", _HOME: "he.ping"}  # the accountants
_DONE = RepairState.REPAIR_STATE_DONE


class Accountant:
    """A member of a region's staff who compares its records with those of another region."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def compare(self, region: str, day: str) -> None:
        """Has a day compared."""
        request = api.CompareDayRequest(region=region, day=day)
        await self._client.ask(lambda channel: ReconciliationServiceStub(channel).CompareDay, request)

    async def differences(self, region: str) -> list[Difference]:
        """The open differences with a region as they are known now."""
        listed = api.ListDifferencesRequest(region=region)
        answer = await self._client.ask(lambda channel: ReconciliationServiceStub(channel).ListDifferences, listed)
        return list(answer.differences)

    async def propose(self, difference: Difference, acting_region: str) -> Repair:
        """Proposes to post the amount of a difference."""
        request = api.ProposeRepairRequest(
            request_id="repair-1",
            region=difference.region,
            record_kind=difference.record_kind,
            serial=difference.serial,
            act=RepairAct.REPAIR_ACT_CORRECT,
            acting_region=acting_region,
            note="booked twice",
        )
        return (
            await self._client.ask(lambda channel: ReconciliationServiceStub(channel).ProposeRepair, request)
        ).repair

    async def repairs(self) -> list[Repair]:
        """The repairs that this region knows."""
        request = api.ListRepairsRequest()
        answer = await self._client.ask(lambda channel: ReconciliationServiceStub(channel).ListRepairs, request)
        return list(answer.repairs)


async def two_books_one_truth(world: World) -> None:
    """A difference is planted, found, named, and repaired with four eyes."""
    stage, federation = world.stage, world.federation
    stage.chapter(
        "Two books, one truth",
        "Each night every pair of regions compares what both know of a business day. A script has booked a payment of"
        " this story twice in Sichuan's database, behind the node's back: no journal and no balance shows it there.",
    )
    order_id = f"{_HERE}/counter/{REQUEST}"
    planted = await asyncio.to_thread(_plant, federation.settings_file(_HOME), order_id)
    stage.say(f"{planted} rows are written into Sichuan's ledger by hand")
    day = f"{datetime.now(UTC).astimezone(wording.ZONE):%Y-%m-%d}"
    async with AsyncExitStack() as stack:
        accountants = {region: _accountant(world, stack, region) for region in (_HERE, _HOME)}

        async def known(region: str, other: str) -> list[Difference]:
            return [each for each in await accountants[region].differences(other) if each.serial == order_id]

        async def found(region: str, other: str) -> list[Difference]:
            await accountants[region].compare(other, day)
            return await known(region, other)

        [difference] = await until(lambda: found(_HERE, _HOME), lambda told: len(told) == 1, "the difference")
        kind = DifferenceKind.Name(difference.kind).removeprefix("DIFFERENCE_KIND_").lower()
        stage.check("Guangdong's comparison finds", "doubled", kind, f"{order_id}, business day {day}")
        repair = await accountants[_HERE].propose(difference, _HOME)
        own = await staff_command(stage, federation, _HERE, _staff(_HERE), "reconciliation", "confirm", repair.id)
        stage.check("the proposing region confirms it itself", "exit 1", f"exit {own}", "four eyes, of two regions")
        await until(accountants[_HOME].repairs, lambda told: any(each.id == repair.id for each in told), "the proposal")
        await until(lambda: found(_HOME, _HERE), lambda told: len(told) == 1, "Sichuan's own difference")
        code = await staff_command(stage, federation, _HOME, _staff(_HOME), "reconciliation", "confirm", repair.id)
        stage.check("Sichuan confirms it, and posts it", "exit 0", f"exit {code}")
        left = [
            *await until(lambda: known(_HERE, _HOME), lambda told: not told, "no difference in Guangdong"),
            *await until(lambda: known(_HOME, _HERE), lambda told: not told, "no difference in Sichuan"),
        ]
        stage.check("differences once both have compared anew", "0", str(len(left)), "by themselves")
        states = await until(
            accountants[_HERE].repairs, lambda told: all(each.state == _DONE for each in told), "the end"
        )
        stage.check("the repair, as Guangdong sees it", "done", ", ".join({_word(each.state) for each in states}))
    code = await coordinator_command(world, "reconciliation", "--days", "1")
    stage.check("coordinator reconciliation", "exit 0", f"exit {code}")


def _word(state: RepairState.ValueType) -> str:
    return snake_case(RepairState.DESCRIPTOR, state)


def _staff(region: str) -> str:
    return f"{region}-{_NAMES[region]}"


def _accountant(world: World, stack: AsyncExitStack, region: str) -> Accountant:
    world.federation.issue_staff(region, _NAMES[region])
    client = Client(world.federation.region_replicas(region, _staff(region)))
    stack.push_async_callback(client.close)
    return Accountant(client)


def _plant(settings_file: Path, order_id: str) -> int:
    """Books the payment of an order once more, as a defective script would; returns the rows written."""
    database = load(RegionSettings, settings_file).database
    with contextlib.closing(sqlite3.connect(database.file)) as connection, connection:
        return connection.execute(
            "INSERT INTO ledger_entries SELECT posting_id || '-again', account, amount, currency, kind, time"
            " FROM ledger_entries WHERE posting_id = ?",
            (f"{order_id}#credit",),
        ).rowcount
