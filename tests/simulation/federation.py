"""A run: a federation made from a seed, its faults, its healing, and the checks at the end."""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.time.clock import from_microseconds
from region_node.network.problems.rows import find_followed
from tests.simulation import checks
from tests.simulation.accountants import Accountant, reconciles, until_evening
from tests.simulation.businesses import PROVIDER_REGION
from tests.simulation.coordinator import Coordinator, ToCoordinator
from tests.simulation.disk import Disk
from tests.simulation.engineers import Engineers
from tests.simulation.evidence import Evidence
from tests.simulation.fault_status import FaultObserver
from tests.simulation.faults import LATE, Faults, Parts
from tests.simulation.history import DefectLog, Event, History, Violation, order_of
from tests.simulation.joint_orders import JointCustomer, JointStaff, draw_joint_errands
from tests.simulation.network import Network
from tests.simulation.network_plans import draw_network_errands
from tests.simulation.nights import Nights
from tests.simulation.people import Line, Manners, OperatorSystem, Staff
from tests.simulation.planners import Planner
from tests.simulation.plans import draw_errands
from tests.simulation.provider import Provider
from tests.simulation.region import Region, RegionPorts, open_envelopes
from tests.simulation.relocating import FIRST_SEED as MOVES
from tests.simulation.relocating import Backups, LostArrivals, Mover, Watch, draw_relocations, has_unplanned_moves
from tests.simulation.reporters import Reporter
from tests.simulation.status import Observer
from tests.simulation.swarm import Swarm
from tests.simulation.verification import Customer, Phones
from tests.simulation.virtual_time import NodeClock, VirtualLoop, WallTime
from tests.simulation.world import REGIONS, START, drawn_keys, first_database

L = TypeVar("L", bound=VirtualLoop)

ERRANDS = 50
FAULTY_SECONDS = 40.0
HEALING_SECONDS = 60.0  # guarantee G4: after the last fault heals
QUIET_SECONDS = 8  # longer than anybody waits between two looks at an order
LONGEST_SETTLING = 240  # seconds: a run that is not quiet then never will be
FEW_LEAPS, MANY_LEAPS = 2, 10
"""The leaps in which the days at the end of a run pass."""
_MANY = 0.125  # of all runs have many: the nights then come one by one
_BEYOND = timedelta(hours=200)  # the most that all leaps of a run pass beyond the timers that they reach
_PACKAGES = ("gateway", "region_node", "coordinator")


@dataclass(frozen=True)
class Report:
    """The results of one run."""

    seed: int
    violations: Sequence[Violation]
    events: Sequence[Event]
    counts: Counter[str]
    digest: str
    cpu_seconds: float

    def without_events(self) -> "Report":
        """The same, to be sent to another process."""
        return replace(self, events=())

    def story(self, limit: int = 14) -> list[str]:
        """The seed, what was broken, and the last that happened about it."""
        told = [f"seed {self.seed}:"]
        for violation in self.violations[:3]:
            events = [each for each in self.events if order_of(each.about) == order_of(violation.about)][-limit:]
            told += [f"  {violation}", *(f"    {event}" for event in events)]
        if len(self.violations) > 3:
            told.append(f"  and {len(self.violations) - 3} more")
        return told


class Simulation:
    """Everything of one run, on one loop."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        source = random.Random(seed)
        self.history = History(loop)
        self._loop = loop
        self._source = source
        self._seed = seed
        self._wall = WallTime(loop, START + until_evening(START) if reconciles(seed) else START)
        self._network = Network(self.history, self._fork())
        self._coordinator = Coordinator(self.history, self._network, NodeClock(self._wall), self._fork())
        self._phones = Phones(self._fork())
        self._provider = Provider(self.history, self._fork())
        self._regions: list[Region] = []
        self._manners = Manners()
        parts = Parts(
            self.history, self._wall, self._network, self._coordinator, self._regions, self._manners, self._provider
        )
        self._faults = Faults(parts, self._fork())
        for name in REGIONS:
            self._regions.append(self._new_region(name))
        self._errands = draw_errands(self._fork(), ERRANDS, FAULTY_SECONDS * 0.9)
        self._network_errands = draw_network_errands(self._fork(), FAULTY_SECONDS * 0.9)
        self._swarm = Swarm(seed, self.history, self._wall, self._coordinator, self._regions)
        self._accountants: dict[str, Accountant] = {}
        self._joint_errands = draw_joint_errands(self._fork(), seed, FAULTY_SECONDS * 0.9)
        self._relocations = draw_relocations(random.Random(seed), seed, FAULTY_SECONDS * 0.9)
        self._leaps = leaps_of(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._comparing: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Runs everything and checks."""
        self._coordinator.start()
        for region in self._regions:
            late = self._faults.joins_late and region.name == LATE
            state = MemberState.MEMBER_STATE_ABSENT if late else MemberState.MEMBER_STATE_JOINED
            self._coordinator.admit(region, state)
        for region in self._regions:
            if not (self._faults.joins_late and region.name == LATE):
                region.learn(self._coordinator.knowledge())
                await region.start()
        self._tasks.append(self._loop.create_task(self._coordinator.tell()))
        self._begin_work()
        self._faults.begin()
        self._swarm.begin()
        await asyncio.sleep(FAULTY_SECONDS)
        await self._swarm.heal()
        await self._faults.heal()
        self._swarm.settle_clocks()
        for comparing in self._comparing:
            comparing.cancel()
        await self._require_healing()
        if self._accountants:
            nights = self._wall, self._regions, self._accountants, self._fork(), self._become_quiet
            await Nights(self.history, *nights).live()
        await self._live_on()
        back = {number for number, homes in self._faults.moved.items() if len(set(homes)) < len(homes)}
        back |= {each.number for each in self._relocations if each.came_back}
        evidence = Evidence(
            self.history,
            self._regions,
            self._network.receipts,
            [*self._errands, *self._swarm.crowd],
            frozenset({*self._faults.moved, *(each.number for each in self._relocations)}),
            frozenset(back),
            self._provider,
            self._network_errands,
            self._joint_errands,
            self._relocations,
            self._coordinator.registry,
            self._wall.now(),
            LATE if self._faults.joins_late else "",
        )
        self.history.counts["orders"] += len(evidence.handled)
        self.history.counts["orders that crossed a border"] += sum(
            order.home_region != order.origin_region for order in evidence.handled.values()
        )
        for order in evidence.handled.values():
            if order.state == OrderState.ORDER_STATE_COMPLETED:
                self.history.count(f"orders completed: {order.request.business}")
        checks.check(evidence)
        await self._end()
        await LostArrivals(self._relocations, self._regions, self._coordinator, self.history).restore()
        await self._restore_backups()

    async def _restore_backups(self) -> None:
        """Nothing goes in or out of the regions meanwhile: what they do with a backup is their own."""
        self._network.cut.update(REGIONS)
        await Backups(self._relocations, self._regions, self.history).restore()
        for region in self._regions:
            region.kill()

    def close(self) -> None:
        """Lets go of the databases."""
        for region in self._regions:
            region.ports.disk.close()

    def _fork(self) -> random.Random:
        """A source of its own for each part, so that one part's draws do not shift another's."""
        return random.Random(self._source.getrandbits(64))

    def _new_region(self, name: str) -> Region:
        keys = drawn_keys(name, random.Random(f"{self._seed} {name}"))
        disk = Disk(first_database(name), self._faults.disk_fails, keys)
        clock = NodeClock(self._wall)
        carrier = ToCoordinator(self._network, name, self._coordinator)
        provider = self._provider if name == PROVIDER_REGION else None
        ports = RegionPorts(
            self.history, clock, disk, keys, self._fork(), carrier, self._phones, self._network.see, carrier, provider
        )
        ports.has_moves = self._seed >= MOVES
        return Region(name, ports)

    def _begin_work(self) -> None:
        regions = {region.name: region for region in self._regions}
        observers: dict[tuple[str, str], Observer] = {}
        for errand in self._errands:
            line, home = self._line(regions[errand.region], errand.operator), self._line(regions[errand.home])
            customer = Customer(errand, home, self._phones)
            key = (errand.region, errand.operator)
            observer = observers.setdefault(key, Observer("/".join(key), self.history))
            self._tasks.append(self._loop.create_task(OperatorSystem(errand, line, observer, customer.prove).run()))
        for region in self._regions:
            observer = Observer(f"{region.name}/staff", self.history)
            self._tasks.append(self._loop.create_task(Staff(self._line(region), observer).run()))
        self._begin_network_work(regions)
        self._begin_joint_work(regions)
        self._begin_comparing()
        self._begin_moves(regions)

    def _begin_network_work(self, regions: Mapping[str, Region]) -> None:
        """Faults, engineers, agreements, outages and works on the network."""
        errands, observers = self._network_errands, {name: FaultObserver(name, self.history) for name in regions}
        lines = {name: self._line(each) for name, each in regions.items()}
        work: list[Coroutine[object, object, None]] = [
            Reporter(each, lines[each.region], observers[each.region]).run() for each in errands.faults
        ]
        work += [Engineers(line, errands, observers[name]).run() for name, line in lines.items()]
        work += [Planner(lines[each.region], "agreeing").agree(each) for each in errands.agreements]
        work += [
            Planner(lines[each.region], f"noting-{number}").note_outage(each)
            for number, each in enumerate(errands.outages)
        ]
        work += [
            Planner(lines[each.region], f"planning-{number}").plan(each) for number, each in enumerate(errands.works)
        ]
        self._tasks.extend(self._loop.create_task(each) for each in work)

    def _begin_joint_work(self, regions: Mapping[str, Region]) -> None:
        """Orders that several regions do together, where the seed has any."""
        if not self._joint_errands:
            return
        work = [JointCustomer(each, self._line(regions[each.region])).run() for each in self._joint_errands]
        work += [JointStaff(self._line(each)).run() for each in regions.values()]
        self._tasks.extend(self._loop.create_task(each) for each in work)

    def _begin_comparing(self) -> None:
        """Accountants, where the seed has any: they compare days while the faults last."""
        if reconciles(self._seed):
            self._accountants = {each.name: Accountant(self._line(each)) for each in self._regions}
            work = (each.compare_for_ever() for each in self._accountants.values())
            self._comparing = [self._loop.create_task(each) for each in work]
            self._tasks.extend(self._comparing)

    def _begin_moves(self, regions: Mapping[str, Region]) -> None:
        """Customers who move, where the seed has any."""
        if not self._relocations:
            return
        lines = {name: self._line(each) for name, each in regions.items()}
        work = [Mover(each, lines, self._fork()).run() for each in self._relocations]
        work.append(Watch(self._relocations, self._regions, self.history).run())
        self._tasks.extend(self._loop.create_task(each) for each in work)

    def _line(self, region: Region, share: str = "staff") -> Line:
        return Line(region, self.history, self._fork(), self._manners, share)

    async def _require_healing(self) -> None:
        """Every call that waits at the end of the faults has a response soon after.

        What has come stays: an answer to an envelope, a version that a region knows. The wait is for the others alone.
        """
        waiting = {(region.name, each) for region in self._regions for each in open_envelopes(region)}
        headers = [each.header for each in self._coordinator.registry.kept.problems.values()]
        behind = [(region, header) for region in self._regions for header in headers]
        until = self._loop.time() + HEALING_SECONDS
        while True:
            waiting &= {(region.name, each) for region in self._regions for each in open_envelopes(region)}
            behind = [each for each in behind if _is_behind(*each)]
            if not (waiting or behind) or self._loop.time() >= until:
                break
            await asyncio.sleep(1.0)
        for _, envelope in sorted(waiting):
            self.history.broken("nothing lost", envelope, "no answer a minute after healing")
        for region, header in behind:
            self.history.broken("problems are followed", header.id, f"{region.name} is behind after a minute")

    async def _live_on(self) -> None:
        """Waits until all is quiet, then lets days pass until no timer is left, or enough have passed.

        At the end of some runs more than a month passes: bills fall due, late fees are taken, lines are suspended.
        """
        await self._pass_days()
        if self._source.random() < 0.2:
            self.history.count("months passed")
            self._wall.leap(timedelta(days=self._source.uniform(30.0, 45.0)))
            await self._become_quiet()

    async def _pass_days(self) -> None:
        for _ in range(self._leaps):
            if not await self._become_quiet():
                return
            due = self._next_due()
            if due is None:
                return
            ahead = due - self._wall.now() + self._source.random() * _BEYOND / self._leaps
            self._wall.leap(max(ahead, timedelta(0)))
        await self._become_quiet()

    async def _become_quiet(self) -> bool:
        last, quiet_since = self._progress(), 0
        for second in range(LONGEST_SETTLING):
            await asyncio.sleep(1.0)
            progress = self._progress()
            if progress != last or self._is_busy():
                last, quiet_since = progress, second
            elif second - quiet_since >= QUIET_SECONDS:
                return True
        self.history.broken("nothing lost", "-", f"still not quiet after {LONGEST_SETTLING} s")
        return False

    def _progress(self) -> list[tuple[int, int]]:
        sql = "SELECT (SELECT MAX(sequence) FROM audit), (SELECT MAX(sequence) FROM order_events)"
        found = [region.ports.disk.connection.execute(sql).fetchone() for region in self._regions]
        return [*found, (self._coordinator.registry.changes, 0)]

    def _is_busy(self) -> bool:
        at_work = any(
            not region.is_idle()
            or open_envelopes(region)
            or asks_provider(region)
            or tells_coordinators(region)
            or has_unplanned_moves(region)
            for region in self._regions
        )
        return at_work or self._network.under_way > 0 or not self._coordinator.all_know()

    def _next_due(self) -> datetime | None:
        dues = [
            row[0]
            for region in self._regions
            for row in region.ports.disk.connection.execute("SELECT MIN(due_time) FROM timers")
            if row[0] is not None
        ]
        return from_microseconds(min(dues)) if dues else None

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self.history.broken("no defect", "-", f"a caller was told {result!r}")
        for region in self._regions:
            for process in region.processes:
                process.kill()
        self._coordinator.kill()
        await asyncio.sleep(0.1)


def leaps_of(seed: int) -> int:
    """In how many leaps days pass at the end of a run.

    Nodes work in each night and people look at their orders after it: many leaps take more time than all the faults.
    """
    return MANY_LEAPS if random.Random(f"{seed} leaps").random() < _MANY else FEW_LEAPS


def _is_behind(region: Region, header: ProblemHeader) -> bool:
    followed = region.ports.disk.read(lambda tx: find_followed(tx, header.id))
    return followed is None or followed.header.version < header.version


def asks_provider(region: Region) -> bool:
    """Whether the region's own system is still to answer, or to be asked."""
    sql = "SELECT COUNT(*) FROM fulfilment_tasks WHERE due_time IS NOT NULL"
    return bool(region.ports.disk.connection.execute(sql).fetchone()[0])


def tells_coordinators(region: Region) -> bool:
    """Whether coordinators are still to hear of a fault, or of who is affected by a problem."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM network_events_to_tell)"
        " OR EXISTS (SELECT 1 FROM followed_problems WHERE to_count > 0)"
    )
    return bool(region.ports.disk.connection.execute(sql).fetchone()[0])


def simulate(seed: int) -> Report:
    """Runs one seed on a loop of its own."""
    return simulated(seed, Simulation, VirtualLoop)


class Run(Protocol):
    """A run of one seed, on one loop."""

    history: History

    async def run(self) -> None:
        """Runs everything and checks."""
        ...

    def close(self) -> None:
        """Lets go of what it has opened."""
        ...


def simulated(seed: int, kind: Callable[[int, L], Run], loops: Callable[[], L]) -> Report:
    """Runs one seed of a kind of run on a loop of its own."""
    begun = time.process_time()
    with contextlib.closing(loops()) as loop, contextlib.closing(kind(seed, loop)) as simulation:
        history = simulation.history
        loop.set_exception_handler(lambda _, context: history.broken("no defect", "-", repr(context)))
        with errors_are_defects(history):
            try:
                loop.run_until_complete(simulation.run())
            except Exception as error:
                error.add_note(f"in seed {seed}")
                raise
        # The loop lets go of tasks that wait where the run ends: they are no defects, whenever they are collected.
        loop.set_exception_handler(lambda _, context: None)
    cpu_seconds = time.process_time() - begun
    return Report(seed, history.violations, history.events, history.counts, history.digest(), cpu_seconds)


@contextlib.contextmanager
def errors_are_defects(history: History) -> Iterator[None]:
    """The log of the shipped code goes to the history and nowhere else."""
    handler = DefectLog(history)
    loggers = [logging.getLogger(package) for package in _PACKAGES]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True
