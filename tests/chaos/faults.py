"""The faults: each is a context that lasts as long as the fault, and gives the proof that it happened."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event

from deploy.local.driven_clock import DrivenClock
from deploy.local.process import ProcessFailed, state_of, wait_until
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.errors import Refused, Unreachable
from gateway.rpc.channels import Replica, invoke
from tests.chaos.crowd import Crowd
from tests.chaos.drawing import FaultKind, Planned
from tests.chaos.load import MixedLoad
from tests.chaos.members import CLOCKED, MISLED, Shape, is_frozen
from tests.crash.records import PostgresqlDatabase, database_at
from tests.faults.background import Background
from tests.faults.full_disk import no_room_for, no_room_in
from tests.faults.primary import failing
from tests.faults.proxy import Connection, FaultProxy
from tests.rolling.replacing import Ending, Member, NotReplaced
from tests.rolling.trees import PRESENT

_LATE = 0.3  # seconds of a slow link, for each chunk
_NEAR = timedelta(minutes=1)  # of two clocks that agree
_SECONDS = 5.0  # for a call
_RESTART = 2.0  # seconds between a failure and the next start, as the units say
_STARTS = 60.0  # seconds for which a member may fail to start
_NO_ROOM = "STORE_UNAVAILABLE"
_CONTRADICTED, _SETTLED = b"the clock is off by", b"the clock is settled"


@dataclass
class Proof:
    """How a fault shows that it happens: `holds` is asked for while it lasts, `told` is the evidence."""

    holds: Callable[[], bool]
    told: Callable[[], str]


class Faults:
    """Makes the faults that were drawn."""

    def __init__(self, shape: Shape, load: MixedLoad, background: Background) -> None:
        self._shape = shape
        self._load = load
        self._background = background

    def make(self, planned: Planned) -> AbstractContextManager[Proof]:
        """The context of a fault. It raises NotReplaced or ProcessFailed where that, or its end, did not happen."""
        name = planned.target.name
        match planned.kind:
            case FaultKind.KILL:
                return self._ended(name, Ending.KILL)
            case FaultKind.RESTART:
                return self._ended(name, Ending.STOP)
            case FaultKind.FREEZE:
                return self._frozen(name)
            case FaultKind.PRIMARY:
                return self._failed_over(name.rpartition(": ")[2])
            case FaultKind.CLOCK:
                return self._stepped(timedelta(hours=planned.hours))
            case FaultKind.COORDINATOR_CLOCK:
                return self._contradicted(timedelta(hours=planned.hours))
            case FaultKind.CROWD:
                return self._crowded(name)
            case FaultKind.FULL:
                return self._full(name)
            case FaultKind.VERSION:
                return self._released(name)
            case kind:
                return _broken(self._shape.links[name], kind)

    @contextmanager
    def _ended(self, name: str, ending: Ending) -> Iterator[Proof]:
        member = self._shape.members()[name]
        former = member.pid()
        if not state_of(former):
            raise NotReplaced(f"{name} did not run: there was nothing to end")
        member.end(ending)
        gone = not state_of(former)
        try:
            yield Proof(lambda: gone, lambda: f"process {former} was gone")
        finally:
            _begin(member)
        if not gone or member.pid() == former:
            raise NotReplaced(f"{name} is still there, as process {former}")

    @contextmanager
    def _released(self, name: str) -> Iterator[Proof]:
        """The process of the last release works on what the present version has written, and the other way round."""
        member, release = self._shape.members()[name], self._shape.release
        self._put(member, release)
        try:
            yield Proof(
                lambda: Path(f"/proc/{member.pid()}/cwd").readlink() == release,
                lambda: f"process {member.pid()} ran from the tree of the release",
            )
        finally:
            self._put(member, PRESENT)

    def _put(self, member: Member, tree: Path) -> None:
        member.end(Ending.STOP)
        self._shape.trees.put(member.name, tree)
        _begin(member)

    @contextmanager
    def _frozen(self, name: str) -> Iterator[Proof]:
        member, freezable = self._shape.members()[name], self._shape.freezable(name)
        pid = member.pid()
        freezable.freeze()
        try:
            yield Proof(lambda: is_frozen(pid), lambda: f"process {pid} halted, and still at the end")
            if not is_frozen(pid):
                raise NotReplaced(f"{name} went on before its time")
        finally:
            freezable.thaw()

    @contextmanager
    def _failed_over(self, fault: str) -> Iterator[Proof]:
        """Begins once a standby may take over without a loss."""
        cluster = self._shape.cluster
        wait_until(cluster.servers.is_whole, _STARTS, "every member of the cluster is well")
        with failing(cluster, fault) as another_leads:
            yield Proof(another_leads, lambda: "another member leads")

    @contextmanager
    def _stepped(self, error: timedelta) -> Iterator[Proof]:
        """The coordinators hear of it by the heartbeats of the region."""
        with _wrong(self._shape.clocks[CLOCKED], error):
            yield Proof(
                lambda: abs(self._background.run(self._clock_error()) - error) < _NEAR,
                lambda: f"a coordinator heard of a clock that is off by {error / timedelta(hours=1):+.0f} h",
            )

    @contextmanager
    def _contradicted(self, error: timedelta) -> Iterator[Proof]:
        """The heartbeats of the regions contradict the coordinator, whose log says so.

        It ends once the log says that the clock is settled: else the next step would show itself by no line.
        """
        log = self._shape.federation.processes[MISLED].log
        before = log.stat().st_size

        def told() -> bytes:
            return log.read_bytes()[before:]

        with _wrong(self._shape.clocks[MISLED], error):
            yield Proof(
                lambda: _CONTRADICTED in told(),
                lambda: f"its log tells of a clock that is off by {error / timedelta(hours=1):+.0f} h",
            )
        wait_until(
            lambda: told().rfind(_SETTLED) > told().rfind(_CONTRADICTED), _STARTS, f"the clock of {MISLED} is settled"
        )

    @contextmanager
    def _crowded(self, name: str) -> Iterator[Proof]:
        """Many of the crowd are refused and some are not, while the process goes on answering others."""
        (region, replica), first = self._shape.nodes[name], len(self._load.journal.calls)
        crowd = Crowd(self._shape.federation, self._load, region, replica.number)
        pressing = self._background.start(crowd.press())

        def others() -> int:
            calls = self._load.journal.calls[first:]
            return sum(call.through == replica.endpoint and not call.failure for call in calls)

        try:
            yield Proof(
                lambda: bool(crowd.refused and crowd.accepted and others()),
                lambda: f"{crowd.refused.total()} payments refused, {crowd.accepted} accepted, others {others()} times",
            )
        finally:
            crowd.stop()
            pressing.result()

    @contextmanager
    def _full(self, name: str) -> Iterator[Proof]:
        """Callers are refused for want of a store."""
        federation, first = self._shape.federation, len(self._load.journal.calls)
        process = federation.processes[name]
        database = database_at(federation.database(name), federation.keys_file(name))

        def refused() -> int:
            calls = self._load.journal.calls[first:]
            return sum(call.hindrances[_NO_ROOM] for call in calls if f"{name} for " in call.way)

        try:
            with no_room_in(database) if isinstance(database, PostgresqlDatabase) else no_room_for(process):
                yield Proof(lambda: refused() > 0, lambda: f"{refused()} times {_NO_ROOM}")
        finally:
            database.close()

    async def _clock_error(self) -> timedelta:
        """How far the clock of the region is off, as a coordinator that answers has heard."""
        coordinators = self._shape.federation.coordinator_replicas()

        async def listed(replica: Replica, left: float) -> timedelta:
            found = await invoke(MembershipServiceStub(replica.channel).ListRegions, ListRegionsRequest(), left)
            return next(each.clock_error.ToTimedelta() for each in found.members if each.region == CLOCKED)

        try:
            return await coordinators.call(listed, _SECONDS)
        except (Refused, Unreachable):
            return timedelta(0)  # not now
        finally:
            await coordinators.close()


@contextmanager
def _wrong(clock: DrivenClock, error: timedelta) -> Iterator[None]:
    """The time of day is off by an error."""
    clock.be_wrong_by(error)
    try:
        yield
    finally:
        clock.be_wrong_by(timedelta(0))


def _begin(member: Member) -> None:
    """Starts a member as its unit does: again where it failed, for example because its database is away."""
    end = time.monotonic() + _STARTS
    while True:
        try:
            member.begin()
            return
        except ProcessFailed:
            if time.monotonic() > end:
                raise
        Event().wait(_RESTART)


@contextmanager
def _broken(link: FaultProxy, kind: FaultKind) -> Iterator[Proof]:
    """A link is cut, silent or slow: the proxy counts what it does to connections and bytes."""
    if kind is FaultKind.CUT:
        link.cut()
        proof = Proof(
            lambda: len(link.connections) + link.turned_away > 0,
            lambda: f"{len(link.connections)} connections reset, {link.turned_away} turned away",
        )
    elif kind is FaultKind.SLOW:
        link.delay(_LATE)
        proof = _counted(link, lambda each: each.requests.passed + each.answers.passed, f"bytes, each {_LATE} s late")
    elif kind is FaultKind.SILENT:
        link.blackhole()
        proof = _counted(link, lambda each: each.requests.lost + each.answers.lost, "bytes lost")
    else:
        link.drop_answers()
        proof = _counted(link, lambda each: each.answers.lost, "bytes of answers lost")
    try:
        yield proof
    finally:
        link.heal()


def _counted(link: FaultProxy, count: Callable[[Connection], int], what: str) -> Proof:
    def total() -> int:
        return sum(map(count, link.connections))

    return Proof(lambda: total() > 0, lambda: f"{total():,} {what}")
