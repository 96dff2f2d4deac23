"""Runs of several coordinators on one etcd: they stand still, lose etcd, and suspend a region meanwhile.

What they do about that region must be linearizable: nothing is brought to it once its suspension is confirmed.
"""

import asyncio
import contextvars
import itertools
import random
import tempfile
from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from coordinator.membership.administration.service import MembershipService
from coordinator.membership.members import CurrentMembers
from coordinator.membership.presence import Presence
from coordinator.registry.etcd import values
from coordinator.registry.etcd.copy import Copy, Entry
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.last_good import LastGood
from coordinator.registry.etcd.packing import pack
from coordinator.registry.etcd.plans import Plans
from coordinator.registry.etcd.registry import EtcdRegistry, Parts
from coordinator.registry.port import Replica
from coordinator.registry.rules import Heartbeat
from coordinator.routing.deliveries import Deliveries
from coordinator.routing.router import Router, RouterPorts
from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.federation.v1.federation_pb2 import Capabilities, SealingKey
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable, reason_name
from gateway.relay.transport import BeforeAttempt
from gateway.security.identity import Identity
from gateway.time.clock import to_microseconds
from tests.linearizability import Kind, Operation, contradiction
from tests.simulation.calls import served
from tests.simulation.etcd import LineToEtcd, SimulatedEtcd, Trouble
from tests.simulation.federation import Report, simulated
from tests.simulation.history import History
from tests.simulation.region import NoAnswer
from tests.simulation.virtual_time import FreezingLoop, NodeClock, Process, WallTime
from tests.simulation.world import START, configuration

T = TypeVar("T")

HOLDS = "a confirmed suspension holds"
CONFIRMED = "a suspension is confirmed"
KINDS = ("coordinators frozen", *(f"lines to etcd: {each.name}" for each in Trouble if each is not Trouble.NOTHING))
SENDER, SUSPENDED = "henan", "sichuan"
_LEASE = timedelta(seconds=10)
_FAULTY_SECONDS = 120.0
_ROUTE_SECONDS = 3.0  # that a sender waits
_SUSPEND_SECONDS = 20.0  # that an administrator waits
_CALMED_SECONDS = 60.0  # after the last fault, in which a suspension is confirmed
_ADMIN = Identity("crossregion", Role.ROLE_ADMIN, "", "root")


class OneCoordinator:
    """The shipped parts of one coordinator that know about regions, in a process that may stand still."""

    def __init__(self, number: int, line: LineToEtcd, clock: NodeClock, way: "ToSuspended", directory: Path) -> None:
        self.name = f"coordinator/{number}"
        self.line = line
        self.process = Process(self.name)
        self._clock, self._way = clock, way
        self._directory = directory
        self.registry: EtcdRegistry
        self.router: Router
        self.service: MembershipService

    async def start(self, others: Callable[[], Collection["OneCoordinator"]]) -> None:
        """Starts it, and returns once it serves."""
        await asyncio.wait({task := self.process.spawn(self._run(others))})
        task.result()

    async def _run(self, others: Callable[[], Collection["OneCoordinator"]]) -> None:
        async def others_are_answered(asked: Collection[Replica]) -> bool:
            names = {each.name for each in asked}
            return any(
                each.registry.answers() for each in others() if each.name in names and not each.process.is_frozen
            )

        keys, line, loop = Keys(configuration().federation), self.line, asyncio.get_running_loop()
        plans, last_good = Plans(line, keys), NoFile(self._directory)
        parts = Parts(keys, line, plans, Copy(keys), self._clock, _LEASE, last_good, others_are_answered, loop.time)
        self.registry = await EtcdRegistry.started(parts)
        members, deliveries = CurrentMembers(self.registry), Deliveries()
        presence = Presence(self.registry, members, deliveries.over)
        self.router = Router(
            RouterPorts(
                name=self.name,
                members=members.all,
                carrier_to=lambda _: self._way,
                clock=self._clock,
                deliveries=deliveries,
                routing_seconds=presence.routing_seconds,
            )
        )
        self.service = MembershipService(self.registry, presence, self._clock.now)
        await presence.enter(self.name, f"{self.name}:1")

    async def called(self, work: Callable[[], Coroutine[object, object, T]], patience: float) -> T:
        """The result of a call. Raises what the call raises, and NoAnswer where it does not end in time."""
        task = self.process.spawn(work())
        await asyncio.wait({task}, timeout=patience)
        if not task.done():
            task.cancel()
            raise NoAnswer
        return task.result()


class NoFile(LastGood):
    """A last good copy that is not kept: no coordinator starts again in a run."""

    def save(self, entries: Mapping[bytes, Entry], revision: int, cluster: int) -> None:
        """See `LastGood`."""


class ToSuspended:
    """The way to the region, which notes what comes. A message on its way comes whatever its sender does."""

    def __init__(self, loop: FreezingLoop, source: random.Random, history: list[Operation]) -> None:
        self._loop = loop
        self._source = source
        self._history = history
        self.begun: dict[bytes, tuple[float, str]] = {}

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """See the port."""
        if before_attempt is not None:
            before_attempt()
        longest = 0.02 if self._source.random() < 0.9 else _ROUTE_SECONDS
        delay, outside = self._source.uniform(0.0005, longest), contextvars.Context()
        answered: asyncio.Future[None] = self._loop.create_future()

        def arrive() -> None:
            begin, by = self.begun[request.nonce]
            self._history.append(Operation(Kind.ROUTE, begin, self._loop.time(), by))
            self._loop.call_later(0.001, answer, context=outside)

        def answer() -> None:
            if not answered.done():
                answered.set_result(None)

        if delay < timeout:
            self._loop.call_later(delay, arrive, context=outside)
        await asyncio.wait({answered}, timeout=timeout)
        if not answered.done():
            raise Unreachable("deadline exceeded")
        return DeliverResponse(journey=request.journey)


class Replicas:
    """The run: envelopes through every coordinator, faults, and one suspension after another."""

    def __init__(self, seed: int, loop: FreezingLoop) -> None:
        self.history = History(loop)
        self._loop = loop
        self._source = source = random.Random(f"{seed} replicas")
        self._done: list[Operation] = []
        self._directory = tempfile.TemporaryDirectory()
        etcd, wall = SimulatedEtcd(loop), WallTime(loop, START)
        _fill(etcd)
        self._way = ToSuspended(loop, random.Random(source.getrandbits(64)), self._done)
        self._all = [
            OneCoordinator(
                number,
                LineToEtcd(etcd, random.Random(source.getrandbits(64))),
                NodeClock(wall),
                self._way,
                Path(self._directory.name, str(number)),
            )
            for number in range(source.choice((2, 2, 3)))
        ]
        for number in range(len(self._all)):
            Path(self._directory.name, str(number)).mkdir()
        self._kinds = [each for each in (self._freeze, self._trouble, self._freeze) if source.random() < 0.8]
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Runs everything and checks."""
        for each in self._all:
            await each.start(lambda own=each: [other for other in self._all if other is not own])  # type: ignore[misc]
        senders = [self._begin(self._send(each)) for each in self._all]
        faults = self._begin(self._strike())
        suspending = self._begin(self._suspend_for_ever())
        await asyncio.sleep(_FAULTY_SECONDS)
        faults.cancel()
        suspending.cancel()
        await asyncio.gather(faults, suspending, return_exceptions=True)
        for each in self._all:
            each.line.treat(Trouble.NOTHING)
            each.process.thaw()
        if not await self._suspend(self._loop.time() + _CALMED_SECONDS):
            self.history.broken(CONFIRMED, SUSPENDED, f"not confirmed {_CALMED_SECONDS:.0f} s after the last fault")
        await asyncio.sleep(_ROUTE_SECONDS * 2)
        for sender in senders:
            sender.cancel()
        if (wrong := contradiction(self._done)) is not None:
            self.history.broken(
                HOLDS, SUSPENDED, f"{wrong.kind.name} by {wrong.by}, {wrong.begin:.3f}-{wrong.end:.3f} s"
            )
        for coordinator in self._all:
            coordinator.process.kill()
        await asyncio.sleep(0.1)
        own = (HOLDS, CONFIRMED)
        self.history.violations[:] = [
            each for each in self.history.violations if each.guarantee in own or "Error(" in each.text
        ]

    def close(self) -> None:
        """Removes what was kept."""
        self._directory.cleanup()

    def _begin(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.append(task)
        return task

    async def _send(self, through: OneCoordinator) -> None:
        """Sends for ever."""
        while True:
            nonce = str(next(self._numbers)).encode()
            self._way.begun[nonce] = self._loop.time(), through.name
            request = DeliverRequest(destination=SUSPENDED, nonce=nonce)
            try:
                await through.called(partial(through.router.deliver, SENDER, request, _ROUTE_SECONDS), _ROUTE_SECONDS)
                self.history.count("envelopes delivered")
            except Refused as refused:
                self.history.count(f"envelopes refused: {reason_name(refused.reason)}")
            except NoAnswer:
                self.history.count("envelopes without an answer")
            await asyncio.sleep(self._source.uniform(0.05, 0.4))

    async def _suspend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._source.uniform(0.5, 6.0))
            await self._suspend(self._loop.time() + _SUSPEND_SECONDS * 3)
            await asyncio.sleep(self._source.uniform(0.5, 6.0))
            await self._reinstate()

    async def _suspend(self, until: float) -> bool:
        """Suspends the region through one coordinator after another, until that is confirmed; or gives up."""
        request = SuspendRegionRequest(region=SUSPENDED, note="why")
        while self._loop.time() < until:
            through, begin = self._source.choice(self._all), self._loop.time()
            try:
                suspend = partial(served, through.service.SuspendRegion, _ADMIN, request)
                response = await through.called(suspend, _SUSPEND_SECONDS)
            except (Refused, NoAnswer):
                await asyncio.sleep(0.5)
                continue
            if not response.unconfirmed:
                self._done.append(Operation(Kind.SUSPEND, begin, self._loop.time(), through.name))
                self.history.count("suspensions confirmed")
                return True
            self.history.count("suspensions that some had not confirmed")
        return False

    async def _reinstate(self) -> None:
        request = ReinstateRegionRequest(region=SUSPENDED)
        while True:
            through, begin = self._source.choice(self._all), self._loop.time()
            try:
                await through.called(partial(served, through.service.ReinstateRegion, _ADMIN, request), 2.0)
            except (Refused, NoAnswer):
                self._done.append(Operation(Kind.REINSTATE, begin, by=through.name))
                await asyncio.sleep(0.5)
                continue
            self._done.append(Operation(Kind.REINSTATE, begin, self._loop.time(), through.name))
            return

    async def _strike(self) -> None:
        while self._kinds:
            await asyncio.sleep(self._source.uniform(1.0, 8.0))
            self._begin(self._source.choice(self._kinds)())

    async def _freeze(self) -> None:
        """A coordinator stands still, often for longer than its lease."""
        process = self._source.choice(self._all).process
        if not process.is_frozen:
            self.history.count("coordinators frozen")
            self.history.note(process.name, "stands still")
            process.freeze()
            await asyncio.sleep(self._source.choice((0.5, 4.0, 14.0, 25.0)) * self._source.uniform(0.8, 1.2))
            process.thaw()
            self.history.note(process.name, "goes on")

    async def _trouble(self) -> None:
        """Something is wrong with the line of a coordinator to etcd."""
        one = self._source.choice(self._all)
        if one.line.trouble is Trouble.NOTHING:
            trouble = self._source.choice([each for each in Trouble if each is not Trouble.NOTHING])
            self.history.count(f"lines to etcd: {trouble.name}")
            self.history.note(one.name, f"its line to etcd: {trouble.name}")
            one.line.treat(trouble)
            await asyncio.sleep(self._source.choice((0.5, 5.0, 20.0, 40.0)) * self._source.uniform(0.8, 1.2))
            one.line.treat(Trouble.NOTHING)
            self.history.note(one.name, "its line to etcd is well")


def _told(wrong: Operation) -> str:
    return f"{wrong.kind.name} by {wrong.by}, from {wrong.begin:.3f} to {wrong.end:.3f} s"


def _fill(etcd: SimulatedEtcd) -> None:
    """The configuration, and two regions that have joined and live."""
    keys, packed = Keys(configuration().federation), pack(configuration().SerializeToString(deterministic=True))
    if packed.plan is not None:
        for number, part in enumerate(packed.parts):
            etcd.put(keys.plan_part(packed.plan.digest, number), part)
    begin = to_microseconds(START)
    etcd.put(keys.configuration, values.encode_packed(1, packed, "admin", begin))
    for region in (SENDER, SUSPENDED):
        etcd.put(keys.joined(region), values.encode_joined(values.Joined(begin, b"", SealingKey(), Capabilities())))
        heartbeat = Heartbeat(f"{region}:1", START, 1, timedelta(0), b"")
        etcd.put(keys.live(region, heartbeat.endpoint), values.encode_living(values.Living(heartbeat, START)))


def replicate(seed: int) -> Report:
    """Runs one seed on a loop of its own."""
    return simulated(seed, Replicas, FreezingLoop)
