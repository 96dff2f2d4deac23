"""Two coordinators on one registry, with one storm at the same time: they find the same problems, each once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.problems import rules
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.api.coordinator.v1 import problem_service_pb2 as api
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.rpc.channels import invoke
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, federation, run
from tests.contract.small_federation import CLOCK, Certificates
from tests.unit.network_events import cut, event

pytestmark = pytest.mark.usefixtures("settled_alone")


def storm() -> list[NetworkEvent]:
    """A cut with many reports from each end, and an outage elsewhere."""
    began = CLOCK.now()
    told = [each for number in range(5) for each in cut(began + timedelta(seconds=number), f"{number}-")]
    told += [event(f"henan/fault/{number}", sites=["luoyang"], raised=began) for number in range(5)]
    return told


async def tell(it: Federation, told: NetworkEvent) -> None:
    stub = ProblemServiceStub(it.as_(f"region/{told.id.partition('/')[0]}"))
    await invoke(stub.ReportEvent, api.ReportEventRequest(event=told), PATIENCE_S)


async def problems(it: Federation) -> list[ProblemHeader]:
    """The problems that are in progress, with all that belongs to them."""
    stub = ProblemServiceStub(it.as_(ADMIN))
    listed = await invoke(stub.ListProblems, api.ListProblemsRequest(include_ended=True), PATIENCE_S)
    shown = [
        await invoke(stub.GetProblem, api.GetProblemRequest(problem_id=each.header.id), PATIENCE_S)
        for each in listed.problems
    ]
    return [each.problem.header for each in shown if each.problem.header.state == rules.IN_PROGRESS]


def found(headers: Sequence[ProblemHeader]) -> list[tuple[str, int]]:
    return sorted((each.root_cause.id, len(each.child_ids)) for each in headers)


def test_coordinators_that_are_told_of_one_storm_side_by_side_find_each_cause_once(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with (
            federation(certificates, tmp_path / "0", etcd=etcd) as one,
            federation(certificates, tmp_path / "1", number=1, etcd=etcd) as other,
        ):
            await one.apply()
            told = storm()
            await asyncio.gather(*(tell((one, other)[number % 2], each) for number, each in enumerate(told)))
            while found(await problems(one)) != [("chengdu-guangzhou-1", 15), ("luoyang", 5)]:  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.01)
            assert await problems(one) == await problems(other)

    run(scenario())


def test_what_one_coordinator_was_told_another_one_looks_at_once_the_first_is_gone(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.problems.correlator.Correlator.note_event", lambda _: None)
    monkeypatch.setattr("coordinator.problems.correlator.LOOK", 0.1)

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "1", number=1, etcd=etcd) as other:
            async with federation(certificates, tmp_path / "0", etcd=etcd) as one:
                await one.apply()
                await tell(one, cut(CLOCK.now())[0])
            while not await problems(other):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.01)

    run(scenario())
