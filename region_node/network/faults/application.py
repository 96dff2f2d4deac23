"""The fault application service: the work of the service, without gRPC."""

import hashlib

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.process import failpoints
from gateway.store.port import CommittedElsewhere, Store, Transaction
from gateway.time.clock import Clock
from region_node.network.faults import handling, repair
from region_node.network.faults.rows import FAULT, FAULT_SUBJECTS, FaultChanged
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note
from region_node.requests.changes import Changes
from region_node.requests.room import Room
from region_node.requests.rows import RequestKey, insert_request
from region_node.tickets.followed import answered_request, known_request


class FaultApplication:
    """Accepts faults and commands on them, and waits for the owner region on request."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes, room: Room) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes
        self._room = room
        store.subscribe(FaultChanged, lambda _: changes.wake_watchers())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def report(self, caller: Caller, report: FaultReport) -> Fault:
        """Accepts a fault."""
        self._room.require(caller.operator, number=report.number)
        now = self._clock.now()
        fault = await self._store.write(lambda tx: handling.report(tx, self._context, caller, report, now))
        failpoints.reach("fault-reported.after-commit")
        return fault

    async def command(self, caller: Caller, asked: FaultCommand, wait: float) -> Fault:
        """Forwards the customer's command; raises Refused where the owner region has refused it."""
        now = self._clock.now()
        writing = self._store.write(lambda tx: handling.command(tx, self._context, caller, asked, now))
        fault = await self._changes.answered(caller, writing, wait)
        return await self._store.read(lambda tx: answered_request(FAULT, tx, caller, fault))

    async def work(self, caller: Caller, request: WorkOnFaultRequest) -> Fault:
        """Executes a staff member's step on a fault once."""
        content = hashlib.sha256(b"work\0" + request.SerializeToString(deterministic=True)).digest()
        now = self._clock.now()
        key = RequestKey(caller.operator, caller.request_id, content)

        def once(tx: Transaction) -> Fault:
            handling.require_readable(tx, request.fault_id)
            if (known := known_request(FAULT, tx, key)) is not None:
                return known
            fault = repair.work(tx, self._context, request, caller.identity.name, now)
            insert_request(tx, key, fault.id, settled=True, now=now)
            note(tx, caller, "WorkOnFault", fault.id, now)
            return fault

        fault = await self._store.write(once)
        failpoints.reach("fault-worked.after-commit")
        return fault

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if any(subject.startswith(FAULT_SUBJECTS) for subject in committed.subjects):
            self._changes.wake_watchers()
