"""Finds the causes of the events that regions report: each coordinator correlates all of them, without a leader.

Two coordinators decide by the same rules at the same time, and the registry accepts the first result.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from coordinator.problems.book import View, correlated, past
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.elements import element_of, region_of
from coordinator.problems.grades import duration_of, graded, thresholds_of
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.reports import ReportNotifier
from coordinator.registry import shares
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Book, Decision
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.incidents import contained
from gateway.rpc.rates import Rate
from gateway.time.agreed_clock import AgreedClock

LOOK = 5.0  # seconds in which a grade may have risen, or another coordinator died with an unprocessed event
LONGEST_REST = 60.0  # seconds, so that a storm of all regions is followed
Listener = Callable[[Mapping[str, Problem]], None]
"""A callback that receives all problems, by id, since they may have changed."""
_OWN = ""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorrelatorPorts:
    """The ports of correlation."""

    registry: Registry
    current: CurrentNetwork
    clock: AgreedClock
    reports: ReportNotifier
    room: RoomMaker


class Correlator:
    """A loop of each coordinator."""

    def __init__(self, ports: CorrelatorPorts) -> None:
        self._ports = ports
        self._told = asyncio.Event()
        self._listeners: list[Listener] = []
        # The events and the configuration of the last correlation: the same input gives nothing new.
        self._correlated: tuple[dict[str, int], int] = {}, 0
        self._writes = Rate(shares.PROBLEM_WRITES, shares.PROBLEM_WRITES / 3600)

    def note_event(self) -> None:
        """Notes the report of an event, or of a count."""
        self._told.set()

    def on_change(self, listener: Listener) -> None:
        """Calls the listener after each look."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._ports.clock.settled()
            self._told.clear()
            rest = 0.0
            try:
                with contained("the correlation of events"):
                    rest = await self.look()
            except Refused as refused:
                # A new federation has no configuration yet, and no problems either.
                if refused.reason != Reason.REASON_CONFIGURATION_MISSING:
                    _log.info("problems are looked at again soon: %s", refused)
            await asyncio.sleep(rest)
            try:
                async with asyncio.timeout(LOOK):
                    await self._told.wait()
            except TimeoutError:
                continue

    async def look(self) -> float:
        """Correlates the current events, and makes room for new ones.

        Returns for how many seconds to rest: a change of one event may write a problem with thousands. Events are taken
        meanwhile. Raises Refused where the registry does not respond, or has no configuration.
        """
        registry, current, now = self._ports.registry.problems, self._ports.current, self._ports.clock.now()
        decide, revision, seen = decision(current, now), current.federation.revision, dict[str, int]()
        written = 0

        def decide_anew(book: Book) -> Decision:
            nonlocal written
            seen.clear()
            seen.update(_versions(book))
            found = decide(book, is_correlated=(seen, revision) == self._correlated)
            written = found.written
            return found

        book = await registry.change(decide_anew)
        self._correlated = seen, revision
        problems = (await self._ports.room.make(book, now)).problems
        self._ports.reports.take(problems.values(), now)
        for listener in self._listeners:
            listener(problems)
        rest = self._writes.seconds_until(_OWN, asyncio.get_running_loop().time(), written, LONGEST_REST)
        return rest if rest is not None else LONGEST_REST


class Deciding(Protocol):
    """Decides from the book; `is_correlated` means that its events give nothing new."""

    def __call__(self, book: Book, *, is_correlated: bool = False) -> Decision:
        """See the class."""
        ...


def decision(current: CurrentNetwork, now: datetime) -> Deciding:
    """The decision about all reported events.

    Raises Refused with CONFIGURATION_MISSING or CONFIGURATION_INVALID.
    """
    federation = current.federation
    view = View(federation.network, current.topology, duration_of(federation, "correlation-window"), now)
    grade = grading(current, now)

    def decide(book: Book, *, is_correlated: bool = False) -> Decision:
        changed = {} if is_correlated else {each.header.id: each for each in correlated(book, view)}
        for name, each in {**book.problems, **changed}.items():
            if (after := grade(each)) is not each:
                changed[name] = after
        forgotten = past(book, now)
        kept = [each for name, each in changed.items() if name not in forgotten.forgotten_problems]
        return Decision(kept, forgotten.forgotten_events, forgotten.forgotten_problems)

    return decide


def _versions(book: Book) -> dict[str, int]:
    return {name: each.version for name, each in book.events.items()}


def grading(current: CurrentNetwork, now: datetime) -> Callable[[Problem], Problem]:
    """Gives problems the grade that they have by now. Raises as `decision`."""
    federation, thresholds = current.federation, thresholds_of(current.federation)

    def grade(problem: Problem) -> Problem:
        zone = current.zone_of(region_of(federation.network, element_of(problem.header.root_cause)))
        return graded(problem, thresholds, zone, now)

    return grade
