"""The mixed load: callers at the counters of all regions, who repeat a request until they know what became of it."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.errors import Refused, Unreachable
from region_node.business.orders.rules import is_final
from tests.bench.filing import complaint_of, fault_of
from tests.bench.joint import NOT_YET, steps
from tests.bench.joint import submission as joint_submission
from tests.bench.mixed import shuffled
from tests.bench.sharing import reading_of
from tests.chaos.alarms import Troubles, send
from tests.chaos.operations import Kind, Operation, Outcome
from tests.crash.records import Row
from tests.rolling.callers import DEADLINE, Call, Caller, may_pass, name_of
from tests.rolling.load import Line, Load, Taken, Way, submission, ways
from tests.rolling.proof import entries_of

REGIONS = ("guangdong", "sichuan", "henan")
STAFF = "li"
SHARES = {
    Kind.PAYMENT: 25,
    Kind.LINE: 20,
    Kind.COMPLAINT: 15,
    Kind.FAULT: 10,
    Kind.READING: 15,
    Kind.JOINT: 5,
    Kind.ALARM: 10,
}
"""Of the operations, in percent."""
_PATIENCE = 15.0  # seconds until a caller gives a call up, to ask again at the next turn of its customer
_AGAIN = 60  # acknowledged operations that are asked for once more in the end
_PAUSE = 0.2  # seconds before the steps of joint orders that had to wait are tried again

Ask = Callable[[Caller], Awaitable[tuple[str, Call]]]
"""Makes the call of an operation, always with the same request; returns the id of its record, if it makes one."""


@dataclass
class Errand:
    """An operation, and how it is asked for."""

    operation: Operation
    ask: Ask
    line: Line
    business: str = ""
    """Of an order."""


Steps = list[tuple[str, WorkOnJointOrderRequest]]
"""The steps of a joint order that its regions have not done yet, in their order."""


class MixedLoad(Load):
    """Operations of all kinds, on the way from each region to each."""

    def __init__(self, federation: LocalFederation, seed: int) -> None:
        """`federation` has issued the certificates of `STAFF`."""
        super().__init__(federation, ways(itertools.product(REGIONS, REGIONS)), _PATIENCE)
        self.operations: list[Operation] = []
        self.defects: list[str] = []
        """Calls that ended with a defect of a server."""
        self.doubled: list[str] = []
        """Requests that got another record when they were asked for again."""
        self.troubles = Troubles()
        self._staff = {
            region: Caller(region, federation.region_replicas(region, f"{region}-{STAFF}"), self.journal, _PATIENCE)
            for region in REGIONS
        }
        self._kinds: Iterator[str] = shuffled({kind.name: share for kind, share in SHARES.items()}, random.Random(seed))
        self._pending: dict[str, Errand] = {}
        """What a caller has no answer to, by the number of its line."""
        self._errands: list[Errand] = []
        self._work: dict[str, Steps] = {}
        """By joint order."""
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See Load."""
        await super().start()
        self._working = asyncio.get_running_loop().create_task(self._work_on())

    async def finish(self) -> None:
        """Asks again for all that has no answer, and does all steps of joint orders. Each has the time that it needs.

        Some that were answered are asked for once more: they must be what they were.
        """
        for caller in (*self._callers.values(), *self._staff.values()):
            caller.deadline = DEADLINE
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await asyncio.gather(*(self._settle(line) for way in self.ways for line in way.lines))
        end = time.monotonic() + DEADLINE
        while any(self._work.values()) and time.monotonic() < end:
            await self._do_steps()
            await asyncio.sleep(_PAUSE)
        answered = [each for each in self._errands if each.operation.outcome is Outcome.ACKNOWLEDGED]
        await asyncio.gather(*(self._ask_once_more(each) for each in answered[-_AGAIN:]))

    async def close(self) -> None:
        """See Load."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await super().close()
        for caller in self._staff.values():
            await caller.close()

    def postings(self) -> dict[str, list[Row]]:
        """The entries that the payments make, by region."""
        paid = [each for each in self.taken if each.business == "PAY"]
        return {region: [entry for each in paid for entry in entries_of(each, region)] for region in REGIONS}

    def suspended(self) -> dict[str, bool]:
        """Which lines are to be suspended, by number."""
        return {line.number: line.suspended for way in self.ways for line in way.lines}

    async def _serve(self, caller: Caller, way: Way, line: Line) -> None:
        """The next operation for a line, or the one before once more."""
        errand = self._pending.get(line.number)
        if errand is None:
            await self._look(caller, line)
            errand = self._next(way, line)
        await self._do(caller, errand)

    def _next(self, way: Way, line: Line) -> Errand:
        kind = Kind[next(self._kinds)]
        if kind is Kind.LINE and line.unsettled:
            kind = Kind.PAYMENT
        home = way.handling if kind in (Kind.JOINT, Kind.ALARM) else way.home
        operation = Operation(kind, f"r-{next(self._ids)}", way.handling, home, line.number)
        self.operations.append(operation)
        errand = self._errand(operation, way, line)
        self._errands.append(errand)
        return errand

    def _errand(self, operation: Operation, way: Way, line: Line) -> Errand:
        kind, request_id, number = operation.kind, operation.request_id, line.number
        if kind in (Kind.PAYMENT, Kind.LINE):
            business = "PAY" if kind is Kind.PAYMENT else "RESUME" if line.suspended else "SUSPEND"
            order = submission(request_id, business, number)

            async def submit(caller: Caller) -> tuple[str, Call]:
                answer, call = await caller.ask(way.name, lambda channel: OrderServiceStub(channel).SubmitOrder, order)
                call.completed = answer.order.state == OrderState.ORDER_STATE_COMPLETED
                return answer.order.id, call

            return Errand(operation, submit, line, business)
        if kind is Kind.ALARM:
            return Errand(operation, self._reporting(way, number), line)
        return Errand(operation, self._other(kind, request_id, way, number), line)

    def _other(self, kind: Kind, request_id: str, way: Way, number: str) -> Ask:
        """How an operation is asked for that is no order."""
        complaint, fault = complaint_of(number, request_id), fault_of(number, way.home, request_id)
        reading, joint = reading_of(number, request_id), joint_submission(request_id, way.handling, REGIONS)
        name = f"{kind.value}, {way.name}"

        async def file(caller: Caller) -> tuple[str, Call]:
            service = ComplaintServiceStub
            answer, call = await caller.ask(name, lambda channel: service(channel).FileComplaint, complaint)
            return answer.complaint.ticket_id, call

        async def report(caller: Caller) -> tuple[str, Call]:
            answer, call = await caller.ask(name, lambda channel: FaultServiceStub(channel).ReportFault, fault)
            return answer.fault.id, call

        async def read(caller: Caller) -> tuple[str, Call]:
            _, call = await caller.ask(name, lambda channel: SharingServiceStub(channel).ReadSharedCustomer, reading)
            return "", call

        async def lead(caller: Caller) -> tuple[str, Call]:
            service = JointOrderServiceStub
            answer, call = await caller.ask(name, lambda channel: service(channel).SubmitJointOrder, joint)
            self._begin(answer.order)
            return answer.order.id, call

        return {Kind.COMPLAINT: file, Kind.FAULT: report, Kind.READING: read, Kind.JOINT: lead}[kind]

    def _reporting(self, way: Way, number: str) -> Ask:
        """How the next alarm is reported in the stream that goes with a line."""
        report = self.troubles.next(way.handling, number.removeprefix("+"))

        async def tell(caller: Caller) -> tuple[str, Call]:
            _, call = await caller.insist(f"alarm, {way.name}", partial(send, report))
            self.troubles.accepted(report)
            return report.content.external_id, call

        return tell

    async def _do(self, caller: Caller, errand: Errand) -> None:
        """Makes the call, and takes in what the caller was told."""
        operation, begun = errand.operation, time.monotonic()
        operation.turns += 1
        try:
            record_id, call = await errand.ask(caller)
        except (Refused, Unreachable) as failure:
            operation.hindrances[name_of(failure)] += 1
            if may_pass(failure):
                self._pending[operation.number] = errand  # an earlier attempt may have had its effect
                return
            operation.outcome, operation.reason = Outcome.REFUSED, name_of(failure)
            if operation.reason == "INTERNAL":
                self.defects.append(f"{operation.kind.value} {operation.request_id} at {operation.region}: {failure}")
        else:
            operation.hindrances += call.hindrances
            self._acknowledged(errand, record_id, completed=call.completed)
        finally:
            operation.seconds += time.monotonic() - begun
        self._pending.pop(operation.number, None)

    def _acknowledged(self, errand: Errand, record_id: str, *, completed: bool) -> None:
        operation, line = errand.operation, errand.line
        operation.outcome, operation.record_id = Outcome.ACKNOWLEDGED, record_id
        if not errand.business:
            return
        self.taken.append(Taken(record_id, operation.request_id, operation.region, errand.business, line))
        if operation.kind is Kind.LINE:
            line.suspended = errand.business == "SUSPEND"
            line.unsettled = "" if completed else record_id

    async def _look(self, caller: Caller, line: Line) -> None:
        """Reads the last order that changed the line, while its completion is not known."""
        if line.unsettled and is_final(await self._get(caller, line.unsettled)):
            line.unsettled = ""

    async def _settle(self, line: Line) -> None:
        errand = self._pending.get(line.number)
        if errand is not None:
            await self._do(self._callers[errand.operation.region], errand)

    async def _ask_once_more(self, errand: Errand) -> None:
        operation = errand.operation
        try:
            record_id, _ = await errand.ask(self._callers[operation.region])
        except (Refused, Unreachable) as failure:
            self.doubled.append(f"{operation.request_id}: acknowledged, and then {name_of(failure)}")
            return
        if record_id != operation.record_id:
            self.doubled.append(f"{operation.request_id}: {operation.record_id}, and then {record_id}")

    # Joint orders

    def _begin(self, order: JointOrder) -> None:
        """The staff of the regions do the steps of a joint order: all reserve room, then all reach the milestones."""
        if order.id in self._work:
            return  # the answer to a repeated request
        todo = [(item.region, steps(order, item)) for item in order.items]
        first = [(region, asked[0]) for region, asked in todo]
        rest = [(region, each) for region, asked in todo for each in asked[1:]]
        self._work[order.id] = [*first, *rest]

    async def _work_on(self) -> None:
        while True:
            await self._do_steps()
            await asyncio.sleep(_PAUSE)

    async def _do_steps(self) -> None:
        """Does the next steps of all joint orders, as far as the steps of others permit it now."""
        await asyncio.gather(*(self._step(left) for left in self._work.values() if left))

    async def _step(self, left: Steps) -> None:
        while left:
            region, asked = left[0]
            try:
                await self._staff[region].ask(
                    f"{region} works", lambda channel: JointOrderServiceStub(channel).WorkOnJointOrder, asked
                )
            except (Refused, Unreachable) as failure:
                if not (may_pass(failure) or (isinstance(failure, Refused) and failure.reason in NOT_YET)):
                    self.defects.append(f"a step of {asked.joint_order_id} at {region}: {failure}")
                    left.clear()
                return
            left.pop(0)


def died(load: MixedLoad) -> Sequence[str]:
    """The failures of the watch, which may end only to be resumed."""
    return [call.failure for call in load.journal.calls if call.failure and call.way.endswith("watches")]
