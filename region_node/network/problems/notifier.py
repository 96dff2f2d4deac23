"""Sends coordinators the alarms, faults, affected customers and complaints of problems, until one has them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportAffectedRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, is_temporary
from gateway.federation.network import NetworkRegistry
from gateway.process import failpoints
from gateway.store.port import CommittedElsewhere, Store, Transaction
from gateway.time.clock import to_timestamp
from region_node.network.problems import rows
from region_node.network.problems.port import CountComplaints
from region_node.network.problems.rows import Followed, MessageQueued
from region_node.node.context import RegionContext
from region_node.node.telling import Queue, Telling, is_busy

_AT_ONCE = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coordinators:
    """The coordinators as recipients. Each method returns once a coordinator has the message.

    Raises Refused, or Unreachable where none responds.
    """

    tell_event: Callable[[NetworkEvent], Awaitable[None]]
    tell_affected: Callable[[ReportAffectedRequest], Awaitable[None]]


def tell_event(tx: Transaction, event: NetworkEvent) -> None:
    """Queues the state of this region's alarm or fault for coordinators, in the transaction of its change.

    A repeated version is sent once; of several unsent versions, the highest.
    """
    rows.note_event(tx, event)


def without_others(event: NetworkEvent, network: NetworkRegistry, region: str) -> None:
    """Removes parts of an event that a coordinator would refuse from a region. `event` is changed in place.

    These are parts unknown to the network, and those of another region only.
    """
    sites, links, services = network.sites, network.links, network.services
    event.sites[:] = [each for each in event.sites if each in sites and sites[each].region == region]
    event.links[:] = [
        each for each in event.links if each in links and region in network.regions_reporting(links[each])
    ]
    event.services[:] = [
        each for each in event.services if each in services and region in network.regions_concerned(services[each])
    ]


def retract(event: NetworkEvent, now: datetime) -> NetworkEvent:
    """The event that retracts a network event: ended, and without an element."""
    retracted = NetworkEvent(
        id=event.id,
        kind=event.kind,
        severity=event.severity,
        raise_time=event.raise_time,
        version=event.version,
        retracted=True,
    )
    retracted.clear_time.CopyFrom(max(to_timestamp(now), event.raise_time, key=lambda each: each.ToNanoseconds()))
    return retracted


class ProblemNotifier:
    """A loop of each process of a region. Two may send the same event: a coordinator keeps the higher version."""

    def __init__(
        self, context: RegionContext, store: Store, coordinators: Coordinators, count_complaints: CountComplaints
    ) -> None:
        self._context = context
        self._store = store
        self._coordinators = coordinators
        self._count_complaints = count_complaints
        self._events = Queue(store, lambda tx, after: rows.queued_events(tx, after, _AT_ONCE), lambda each: each.id)
        self._telling = Telling("alarms and faults", self.tell_all)
        store.subscribe(MessageQueued, self._telling.wake)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._telling.run()

    async def tell_all(self) -> bool:
        """Sends the queue; returns whether the rest can wait. Alarms and faults go before counts.

        Raises Refused and Unreachable where nobody responds, and Refused with TOO_BUSY where a coordinator has no room.
        """
        failure: Refused | Unreachable | None = None
        is_all_told = False
        try:
            is_all_told = await self._events.tell_pages(self._tell_events)
        except (Refused, Unreachable) as raised:
            failure = raised  # a count may have an answer all the same: it needs no room
        for each in await self._store.read(lambda tx: rows.problems_to_count(tx, _AT_ONCE)):
            is_all_told &= await self._tell_affected(each)
        if failure is not None:
            raise failure
        return is_all_told

    async def _tell_events(self, events: Sequence[NetworkEvent]) -> bool:
        """Sends events concurrently; a storm has thousands."""
        outcomes = await asyncio.gather(*(self._told(each) for each in events))
        heard = [each for each, outcome in zip(events, outcomes, strict=True) if outcome is None]
        failpoints.reach("network-events-told.before-noted")
        if heard:
            await self._store.write(lambda tx: rows.note_delivered(tx, heard))
        refusals = [each for each in outcomes if each is not None]
        for each in filter(is_busy, refusals):
            raise each
        return not any(is_temporary(each.reason) for each in refusals)

    async def _told(self, event: NetworkEvent) -> Refused | None:
        """The refusal of a coordinator; None where it has the event. Raises Unreachable."""
        try:
            await self._coordinators.tell_event(event)
        except Refused as refused:
            _log.warning("%s is told again: %s", event.id, refused)
            return refused
        return None

    async def _tell_affected(self, followed: Followed) -> bool:
        header = followed.header

        def count(tx: Transaction) -> tuple[int, int]:
            affected = rows.count_affected(tx, list(header.services))
            return affected, self._count_complaints(tx, self._context, header)

        customers, complaints = await self._store.read(count)
        request = ReportAffectedRequest(
            problem_id=header.id, customers=customers, problem_version=header.version, complaints=complaints
        )
        try:
            await self._coordinators.tell_affected(request)
        except Refused as refused:
            _log.info("how many customers %s affects is told again: %s", header.id, refused)
            if refused.reason != Reason.REASON_PROBLEM_NOT_FOUND:
                return not is_temporary(refused.reason)
        failpoints.reach("problem-counted.before-noted")
        await self._store.write(lambda tx: rows.note_counted(tx, followed, customers))
        return True

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or rows.ABOUT in committed.subjects:
            self._telling.wake()
