"""The engineers of one region: they work on the faults that are in it, some of them late, and some of them never."""

import asyncio
import random
from datetime import timedelta

from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultMeasure, FaultReview, FaultSeverity, FaultState
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.network.faults.rows import FaultFilter, list_faults
from region_node.requests.caller import Caller
from tests.simulation import fault_status, world
from tests.simulation.fault_status import FaultObserver
from tests.simulation.network_plans import NetworkErrands
from tests.simulation.people import Line

LATE = timedelta(hours=75)  # longer than any repair may take
MOST_REOPENINGS = 2
_MOST = 50  # faults that are looked at
_OPEN = sorted(fault_status.UNREPAIRED | {FaultState.FAULT_STATE_RESOLVED})
_CAUSES = (
    FaultCause.FAULT_CAUSE_CABLE,
    FaultCause.FAULT_CAUSE_CABLE,
    FaultCause.FAULT_CAUSE_POWER,
    FaultCause.FAULT_CAUSE_FORCE_MAJEURE,
    FaultCause.FAULT_CAUSE_CUSTOMER,
)
REVIEW = FaultReview(
    summary="dug up", measures=[FaultMeasure(what="mark the cable", owner="li", due_date="2030-01-31")]
)


class Engineers:
    """Look at the faults of their region again and again, and do one step about each, or none."""

    def __init__(self, line: Line, errands: NetworkErrands, observer: FaultObserver) -> None:
        self._line = line
        self._source = line.source
        self._history = line.history
        self._errands = errands
        self._observer = observer
        self._who = f"{line.region.name}/engineers"
        self._salt = line.source.getrandbits(64)
        self._asked = 0

    async def run(self) -> None:
        """Works for ever."""
        wanted = FaultFilter(region=self._line.region.name, states=_OPEN)

        def waiting(tx: Transaction) -> list[Fault]:
            return list_faults(tx, wanted, None, _MOST).items

        while True:
            await asyncio.sleep(self._source.uniform(3.0, 7.0))
            listed = await self._line.insist(lambda node: node.store.read(waiting))
            own = [each for each in listed if each.owner_region == self._line.region.name and each.version]
            for fault in own:  # before the work on any of them, which takes time
                self._observer.see(fault)
            for fault in own:
                if not self._leaves_alone(fault):
                    await self._work_on(fault)

    def _leaves_alone(self, fault: Fault) -> bool:
        """Some are repaired when it is late already, and some never."""
        if fault.state == FaultState.FAULT_STATE_RESOLVED:
            return False
        chance = random.Random(f"{self._salt} {fault.id}").random()
        age = self._line.region.ports.clock.of_people() - from_timestamp(fault.outages[-1].start_time)
        return chance < 0.15 or (chance < 0.5 and age < LATE)

    async def _work_on(self, fault: Fault) -> None:
        self._asked += 1
        request = WorkOnFaultRequest(request_id=f"w{self._asked}", fault_id=fault.id)
        self._choose(fault, request)
        engineer = world.staff(self._line.region.name, f"engineer-{self._source.randint(1, 2)}")
        caller, step = Caller(engineer, request.request_id, ""), request.WhichOneof("step") or ""
        for _ in range(2 if self._source.random() < 0.3 else 1):
            try:
                seen = await self._line.insist(lambda node: node.core.faults.work(caller, request))
            except Refused as refused:
                self._history.note(self._who, f"{step} is refused: {reason_name(refused.reason)}", fault.id)
            else:
                self._errands.worked[self._who, f"{engineer.name} {request.request_id}"] = (step, fault.id)
                self._history.count(f"faults: {step}")
                self._observer.see(seen)
                self._history.note(self._who, f"{step}: {fault_status.name(seen.state)} v{seen.version}", fault.id)

    def _choose(self, fault: Fault, request: WorkOnFaultRequest) -> None:
        chance = self._source.random()
        match fault.state:
            case FaultState.FAULT_STATE_ACKNOWLEDGED:
                if chance < 0.05:
                    request.reject.reason = "not of this network"
                else:
                    request.take_up.SetInParent()
            case FaultState.FAULT_STATE_IN_PROGRESS:
                self._go_on(fault, request, chance)
            case FaultState.FAULT_STATE_HELD | FaultState.FAULT_STATE_PENDING:
                request.take_up.SetInParent()
            case _:
                self._end(fault, request, chance)

    def _go_on(self, fault: Fault, request: WorkOnFaultRequest, chance: float) -> None:
        if chance < 0.1:
            request.hold.reason = "no parts"
        elif chance < 0.2:
            request.ask_customer.text = "is somebody there?"
        elif chance < 0.3:
            request.assess.severity = FaultSeverity.FAULT_SEVERITY_CRITICAL
        elif chance < 0.4:
            now = self._line.region.ports.clock.of_people()
            request.appoint.start_time.CopyFrom(to_timestamp(now + timedelta(hours=1)))
            request.appoint.end_time.CopyFrom(to_timestamp(now + timedelta(hours=2)))
        else:
            request.resolve.cause = self._source.choice(_CAUSES)
            request.resolve.text = "repaired"

    def _end(self, fault: Fault, request: WorkOnFaultRequest, chance: float) -> None:
        if chance < 0.15 and fault.reopenings < MOST_REOPENINGS:
            request.reopen.reason = "down again"
        elif chance < 0.3:
            request.close.SetInParent()  # refused where a review is needed
        else:
            request.close.review.CopyFrom(REVIEW)
