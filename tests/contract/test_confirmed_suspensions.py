"""No envelope comes to a region after its suspension is confirmed, whatever becomes of coordinators and of etcd."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import MINIMUM_LEASE_SECONDS
from deploy.local.process import Launcher
from tests import preloaded
from tests.contract.broken_coordinator import DEFECTS, launcher_with
from tests.contract.coordinator_process import CoordinatorProcess, coordinator_process
from tests.contract.coordinators import federation
from tests.contract.small_federation import Certificates
from tests.contract.suspension_recorder import DELIVERED, Recorder, recording
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy
from tests.linearizability import Kind, contradiction

LEASE = float(MINIMUM_LEASE_SECONDS)
TURNED_AWAY = ("LEASE_UNPROVEN", "REGISTRY_UNAVAILABLE", "REGION_SUSPENDED", "REGION_UNREACHABLE")
LONGEST_S = 120.0  # reached only where a test fails


@dataclass
class Member:
    """A coordinator of its own process, and its lines to the members of etcd."""

    name: str
    process: CoordinatorProcess
    lines: Sequence[FaultProxy]

    def endpoint(self) -> str:
        """Where it serves now."""
        return self.process.endpoint

    async def treat(self, how: Callable[[FaultProxy], None]) -> None:
        """Breaks or mends its lines to etcd."""
        for line in self.lines:
            await asyncio.to_thread(how, line)

    async def restart(self) -> None:
        """Kills it, and starts it again elsewhere with what it has kept."""
        await asyncio.to_thread(self.process.process.kill)
        port = await asyncio.to_thread(self.process.process.start)
        self.process = CoordinatorProcess(self.process.process, f"127.0.0.1:{port}")


@contextmanager
def member(
    certificates: Certificates,
    directory: Path,
    number: int,
    etcd: EtcdSettings,
    launcher: Launcher = preloaded.launch,
) -> Iterator[Member]:
    with ExitStack() as stack:
        background = Background()
        stack.callback(background.close)
        lines = [FaultProxy(background, partial(str, endpoint)) for endpoint in etcd.endpoints]
        for line in lines:
            stack.callback(line.close)
        behind = EtcdSettings(tuple(line.endpoint for line in lines), etcd.credentials)
        process = stack.enter_context(
            coordinator_process(certificates, directory, number=number, etcd=behind, lease=LEASE, launcher=launcher)
        )
        yield Member(f"coordinator/{number}", process, lines)


@pytest.mark.long("a lease has to end")
def test_a_coordinator_that_knows_of_no_other_one_brings_nothing_once_its_lease_may_have_ended(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(LONGEST_S), recording(certificates, tmp_path / "9", etcd) as it:
            with member(certificates, tmp_path / "1", 1, etcd) as alone:
                it.send_through(alone.name, alone.endpoint)
                await it.ended(alone.name, [DELIVERED])
                await alone.treat(FaultProxy.cut)
                async with federation(certificates, tmp_path / "0", etcd=etcd) as other:
                    await it.suspend([lambda: other.endpoint])
                    await it.ended(alone.name, TURNED_AWAY, 20)
                assert it.outcomes[alone.name]["LEASE_UNPROVEN"]
                assert contradiction(it.history) is None

    asyncio.run(scenario())


@dataclass
class Scene:
    """Two coordinators, and what becomes of Sichuan through them."""

    it: Recorder
    zero: Member
    one: Member

    @property
    def both(self) -> list[Callable[[], str]]:
        return [self.zero.endpoint, self.one.endpoint]


Fault = Callable[[Scene], Awaitable[None]]


async def frozen_beyond_its_lease_while_the_other_is_cut_off(at: Scene) -> None:
    """The one that suspends was away, and the other one knew of nobody when it was cut off."""
    at.zero.process.freeze()
    await at.it.gone(at.zero.name, at.one.endpoint)
    await at.one.treat(FaultProxy.cut)
    at.zero.process.thaw()
    await at.it.suspend([at.zero.endpoint])


async def frozen_and_thawed_while_a_suspension_waits(at: Scene) -> None:
    at.one.process.freeze()
    suspending = asyncio.create_task(at.it.suspend([at.zero.endpoint]))
    await at.it.ended(at.zero.name, ["REGION_SUSPENDED"], 10)
    at.one.process.thaw()
    await suspending


async def frozen_until_its_lease_has_ended(at: Scene) -> None:
    at.one.process.freeze()
    await at.it.suspend([at.zero.endpoint])


async def cut_off_from_etcd(at: Scene) -> None:
    await at.one.treat(FaultProxy.cut)
    await at.it.suspend([at.zero.endpoint])


async def cut_off_without_a_word(at: Scene) -> None:
    await at.one.treat(FaultProxy.blackhole)
    await at.it.suspend([at.zero.endpoint])


async def answers_of_etcd_are_lost(at: Scene) -> None:
    """What it sends extends its lease, and it never hears of that."""
    await at.one.treat(FaultProxy.drop_answers)
    await at.it.suspend([at.zero.endpoint])


async def signs_of_life_come_late(at: Scene) -> None:
    await at.one.treat(FaultProxy.hold)
    suspending = asyncio.create_task(at.it.suspend([at.zero.endpoint]))
    await at.it.ended(at.zero.name, ["REGION_SUSPENDED"], 10)
    await at.one.treat(FaultProxy.heal)
    await suspending


async def killed_and_started_again(at: Scene) -> None:
    suspending = asyncio.create_task(at.it.suspend([at.zero.endpoint]))
    await at.one.restart()
    await suspending


async def both_cut_off_and_one_is_back(at: Scene) -> None:
    for each in (at.zero, at.one):
        await each.treat(FaultProxy.cut)
    await at.it.ended(at.one.name, TURNED_AWAY, 5)
    await at.zero.treat(FaultProxy.heal)
    await at.it.suspend([at.zero.endpoint])


FAULTS: Sequence[Fault] = (
    frozen_beyond_its_lease_while_the_other_is_cut_off,
    frozen_and_thawed_while_a_suspension_waits,
    frozen_until_its_lease_has_ended,
    cut_off_from_etcd,
    cut_off_without_a_word,
    answers_of_etcd_are_lost,
    signs_of_life_come_late,
    killed_and_started_again,
    both_cut_off_and_one_is_back,
)


@asynccontextmanager
async def scene(
    certificates: Certificates, directory: Path, etcd: EtcdSettings, launcher: Launcher = preloaded.launch
) -> AsyncIterator[Scene]:
    """`launcher` starts the second coordinator."""
    async with asyncio.timeout(LONGEST_S * len(FAULTS)), recording(certificates, directory / "9", etcd) as it:
        with ExitStack() as stack:
            zero = stack.enter_context(member(certificates, directory / "0", 0, etcd))
            one = stack.enter_context(member(certificates, directory / "1", 1, etcd, launcher))
            for each in (zero, one):
                it.send_through(each.name, each.endpoint)
            yield Scene(it, zero, one)


async def tried(at: Scene, fault: Fault) -> None:
    """Lets a suspension meet a fault, and everything be well again."""
    for each in (at.zero, at.one):
        await at.it.ended(each.name, [DELIVERED], 3)
    await fault(at)
    for each in (at.zero, at.one):
        await each.treat(FaultProxy.heal)
        each.process.thaw()
    for each in (at.zero, at.one):
        await at.it.ended(each.name, ["REGION_SUSPENDED"], 5)
    await at.it.reinstate(at.both)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_two_coordinators_do_about_a_region_under_faults_is_linearizable(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, seed: int
) -> None:
    async def scenario() -> None:
        async with scene(certificates, tmp_path, etcd) as at:
            for fault in random.Random(seed).sample(FAULTS, len(FAULTS)):
                await tried(at, fault)
                wrong = contradiction(at.it.history)
                assert wrong is None, f"{fault.__name__}: {wrong}"
            confirmed = [each for each in at.it.history if each.kind is Kind.SUSPEND and each.by]
            assert len(confirmed) == len(FAULTS)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_coordinator_that_breaks_its_word_is_found_in_the_history(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, defect: str
) -> None:
    async def scenario() -> None:
        async with scene(certificates, tmp_path, etcd, launcher_with(defect)) as at:
            await at.it.ended(at.one.name, [DELIVERED], 3)
            await at.one.treat(FaultProxy.hold)
            await at.it.suspend([at.zero.endpoint])
            await at.it.ended(at.one.name, [DELIVERED], 10)
            wrong = contradiction(at.it.history)
            assert wrong is not None
            assert (wrong.kind, wrong.by) == (Kind.ROUTE, at.one.name)

    asyncio.run(scenario())
