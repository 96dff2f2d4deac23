"""Steps on accepted work by a clock that is known to be wrong: none is dated."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, retry_seconds
from gateway.relay.border import Border
from gateway.rpc.calls import Call, enter
from gateway.security.identity import parse
from gateway.store.port import Store
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock
from region_node.business.joint.application import JointApplication
from region_node.care.bulletins.application import BulletinApplication
from region_node.care.complaints.application import ComplaintApplication
from region_node.care.issues.application import IssueApplication
from region_node.network.faults.application import FaultApplication
from region_node.network.support.application import SupportApplication
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.deciding import StaffDecisions

CALLER = Caller(parse("spiffe://demo.example/region/guangdong/operator/counter", "demo.example"), "1", "")


class Unwritten:
    """A store in which nothing may be written."""

    def subscribe(self, kind: type, heard: object) -> None:
        pass

    def write(self, operation: object) -> NoReturn:
        raise AssertionError("a step was written by a wrong clock")


async def answered(caller: Caller, writing: Awaitable[object], wait: float) -> object:
    return await writing


STEPS: dict[str, Callable[[RegionContext, Any], Coroutine[Any, Any, object]]] = {
    "command on a fault": lambda context, ports: FaultApplication(context, *ports).command(CALLER, FaultCommand(), 0),
    "work on a fault": lambda context, ports: FaultApplication(context, *ports).work(CALLER, WorkOnFaultRequest()),
    "work on a request": lambda context, ports: SupportApplication(context, *ports)._work(CALLER, cast("Any", None), 0),
    "appointment": lambda context, ports: IssueApplication(context, *ports).appoint(cast("Any", None)),
    "command": lambda context, ports: ComplaintApplication(context, *ports).command(CALLER, ComplaintCommand(), 0),
    "answer": lambda context, ports: ComplaintApplication(context, *ports).respond(CALLER, "1", "text", asks=False),
    "work on an item": lambda context, ports: JointApplication(context, *ports).work(CALLER, WorkOnJointOrderRequest()),
    "withdrawal": lambda context, ports: BulletinApplication(context, *ports[:2]).withdraw(CALLER, "1"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_no_step_on_accepted_work_is_dated_by_a_clock_that_is_known_to_be_wrong(
    step: Callable[[RegionContext, Any], Coroutine[Any, Any, object]],
) -> None:
    clock = AgreedClock(SystemClock())
    clock.start_from(clock.wall() + timedelta(days=365))
    context = RegionContext(cast("Border", SimpleNamespace(region="guangdong", clock=clock)))
    changes = SimpleNamespace(answered=answered)
    with pytest.raises(Refused) as refused:
        asyncio.run(step(context, (Unwritten(), clock, changes, None)))
    assert refused.value.reason == Reason.REASON_CLOCK_UNTRUSTED
    assert retry_seconds(refused.value), "it passes by itself"


def test_a_decision_of_staff_is_taken_at_the_time_of_a_step() -> None:
    def untrusted() -> datetime:
        raise Refused(Reason.REASON_CLOCK_UNTRUSTED)

    async def scenario() -> None:
        decisions = StaffDecisions(cast("Store", Unwritten()), untrusted)
        enter(Call(CALLER.identity, "decide", None))
        with pytest.raises(Refused, match="CLOCK_UNTRUSTED"):
            await decisions.once("1", Duration(), "Act", cast("Any", None), cast("Any", None))

    asyncio.run(scenario())
