"""A number plan that an administrator imports from a CSV file: nodes are given it and route by it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from region_node.node.membership.last_good import LastGood
from tests.contract.large_number_plan import segments
from tests.federation.commands import as_administrator, run_command
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.running import NO_PREFIX, Federation, running, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED
HELD = OrderState.ORDER_STATE_HELD
SEGMENTS = 20_000


async def import_number_plan(federation: Federation, rows: Sequence[tuple[str, str]]) -> dict[str, object]:
    """An administrator merges prefixes into the number plan in force; what the command says."""
    file = federation.directory / "segments.csv"
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([("prefix", "region"), *rows])
    command = await run_command(
        "coordinator.cli.main",
        *("federation", "import-number-plan", str(file), "--merge", "--json"),
        environment=as_administrator(federation),
    )
    assert command.code == 0, command.err
    told: dict[str, object] = json.loads(command.out)
    return told


async def test_a_plan_that_is_imported_comes_to_the_nodes_and_they_route_by_it(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = federation.next_number("")
        await sichuan.create(sichuan.customer(number, balance=0))
        rows = [(prefix, region) for region, owned in segments(SEGMENTS).items() for prefix in owned]
        told = await import_number_plan(federation, [*rows, (NO_PREFIX, "sichuan")])
        assert told["added"] == SEGMENTS + 1

        async def is_known() -> bool:
            members = await federation.members()
            return all(members[name].federation_revision == told["federation_revision"] for name in federation.nodes)

        await until(is_known, "all nodes work by the new plan")
        done = await guangdong.order("PAY", number)
        assert (done.state, done.home_region) == (COMPLETED, "sichuan")
        kept = LastGood(federation.region_settings("guangdong").data).load()
        assert kept is not None
        assert sum(len(owned.prefixes) for owned in kept.configuration.number_plan.prefixes) == told["prefixes"]


@pytest.mark.clause("F17.1")
async def test_fact_17_a_segment_that_the_plan_does_not_name_is_unresolved_and_not_guessed(
    databases: Databases, tmp_path: Path
) -> None:
    """The numbers around and in the segment belong to a region; no region is queried before the plan names one."""
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        beside = f"+86{int(NO_PREFIX[3:]) - 1}"
        await import_number_plan(federation, [(beside, "sichuan"), (f"{NO_PREFIX}99", "sichuan")])
        number = federation.next_number("")
        await sichuan.create(sichuan.customer(number, balance=0))
        order = await guangdong.order("PAY", number)
        assert (order.state, order.error.reason, order.home_region) == (HELD, Reason.REASON_NUMBER_UNRESOLVED, "")
        for node in federation.nodes:
            assert not federation.database(node).rows("SELECT 1 FROM inbox"), "nobody was asked"
        await import_number_plan(federation, [(NO_PREFIX, "sichuan")])
        await guangdong.reaches(order.id, COMPLETED)
