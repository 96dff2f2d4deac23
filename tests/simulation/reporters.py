"""The operator systems that report faults for customers: they repeat with the same id, and forward messages."""

import asyncio

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultEvaluation, FaultReport
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from region_node.network.faults import handling
from region_node.requests.caller import Caller
from tests.simulation import fault_status, world
from tests.simulation.fault_status import FaultObserver
from tests.simulation.network_plans import FaultErrand
from tests.simulation.people import Line

_SLOWEST_LOOK = 12.0  # seconds between looks at a fault
_SAYABLE = {
    "respond": fault_status.UNREPAIRED,
    "cancel": fault_status.UNREPAIRED,
    "reopen": fault_status.REPAIRED,
    "evaluate": fault_status.REPAIRED,
}


class Reporter:
    """Runs one errand from its first report until the customer has said everything."""

    def __init__(self, errand: FaultErrand, line: Line, observer: FaultObserver) -> None:
        self._errand = errand
        self._line = line
        self._source = line.source
        self._history = line.history
        self._observer = observer
        self._identity = world.operator(errand.region, errand.operator)

    async def run(self) -> None:
        """Reports, follows, and says what the customer wants to say."""
        errand = self._errand
        await asyncio.sleep(errand.begins)
        report, caller = errand.fill_in(), self._caller(errand.request_id)
        try:
            fault = await self._line.insist(lambda node: node.core.faults.report(caller, report))
        except Refused as refused:
            errand.refused = refused.reason
            self._history.note(self._who, f"reports a fault and is refused: {reason_name(refused.reason)}")
            return
        errand.fault_id = fault.id
        self._see(fault, "is reported")
        if errand.resends:
            await self._send_again(report)
        await self._follow()

    async def _follow(self) -> None:
        errand, look, wishes = self._errand, 0.5, list(self._errand.says)
        while wishes and errand.seen[-1].state not in fault_status.FINAL:
            await asyncio.sleep(self._source.uniform(look / 2, look))
            look = min(look * 1.5, _SLOWEST_LOOK)
            fault = await self._look()
            wish = next((each for each in wishes if fault.state in _SAYABLE[each]), None)
            if wish is not None and self._source.random() < 0.4:
                wishes.remove(wish)
                await self._say(wish)

    async def _look(self) -> Fault:
        errand, identity = self._errand, self._identity
        fault = await self._line.insist(
            lambda node: node.store.read(lambda tx: handling.find_for(tx, errand.fault_id, identity))
        )
        self._see(fault, "is seen")
        return fault

    async def _say(self, what: str) -> None:
        errand = self._errand
        request_id = f"{errand.request_id}c{len(errand.said) + 1}"
        asked = _command(what, errand, request_id)
        caller, wait = self._caller(request_id), self._source.choice((0.0, 0.5, 4.0))
        self._history.note(self._who, f"{what} is said as {request_id}", errand.fault_id)
        for _ in range(2 if self._source.random() < 0.3 else 1):
            try:
                fault = await self._line.insist(lambda node: node.core.faults.command(caller, asked, wait))
            except Refused as refused:
                if refused.reason == Reason.REASON_REQUEST_ID_REUSED:
                    self._history.broken("same answer", errand.fault_id, f"{request_id} is called another request")
                errand.said[request_id] = (what, refused.reason)
            else:
                errand.said[request_id] = (what, None)
                self._see(fault, f"{what} is answered")

    async def _send_again(self, report: FaultReport) -> None:
        """The same request gets the same fault; the same id with other content gets none."""
        errand, caller = self._errand, self._caller(self._errand.request_id)
        self._history.count("faults reported again")
        fault = await self._line.insist(lambda node: node.core.faults.report(caller, report))
        if fault.id != errand.fault_id:
            self._history.broken("same answer", errand.fault_id, f"a second report gave {fault.id}")
        other = FaultReport()
        other.CopyFrom(report)
        other.description += " at all"
        try:
            await self._line.insist(lambda node: node.core.faults.report(caller, other))
        except Refused as refused:
            if refused.reason == Reason.REASON_REQUEST_ID_REUSED:
                return
        self._history.broken("same answer", errand.fault_id, "the id with other content was not refused")

    def _see(self, fault: Fault, what: str) -> None:
        self._observer.see(fault)
        known = self._errand.seen[-1] if self._errand.seen else None
        self._errand.seen.append(fault)
        if known is None or (known.version, known.state) != (fault.version, fault.state):
            self._history.note(self._who, f"{what}: {fault_status.name(fault.state)} v{fault.version}", fault.id)

    @property
    def _who(self) -> str:
        return f"{self._errand.region}/{self._errand.operator}"

    def _caller(self, request_id: str) -> Caller:
        return Caller(self._identity, request_id, self._errand.trace)


def _command(what: str, errand: FaultErrand, request_id: str) -> FaultCommand:
    asked = FaultCommand(fault_id=errand.fault_id, requester=errand.fill_in().requester)
    match what:
        case "respond":
            asked.respond.text = f"said as {errand.fault_id}/{request_id}"
        case "cancel":
            asked.cancel.reason = "it works again"
        case "reopen":
            asked.reopen.reason = "it does not work"
        case _:
            asked.evaluate.CopyFrom(FaultEvaluation(attitude=5, quality=3, speed=1))
    return asked
