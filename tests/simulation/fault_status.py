"""The permitted state changes of a fault, written down here once more, and observers that check them."""

from collections.abc import Mapping
from itertools import pairwise

from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from tests.simulation.history import History

# TMF656.
_NEXT: Mapping[str, str] = {
    "ACKNOWLEDGED": "IN_PROGRESS REJECTED CANCELLED",
    "IN_PROGRESS": "HELD PENDING RESOLVED CANCELLED",
    "HELD": "IN_PROGRESS RESOLVED CANCELLED",
    "PENDING": "IN_PROGRESS RESOLVED CANCELLED",
    "RESOLVED": "CLOSED IN_PROGRESS",
    "CLOSED": "IN_PROGRESS",
}


def _states(names: str) -> frozenset[FaultState.ValueType]:
    return frozenset(FaultState.Value(f"FAULT_STATE_{each}") for each in names.split())


FINAL = _states("REJECTED CANCELLED")
CLOSED, PENDING = FaultState.FAULT_STATE_CLOSED, FaultState.FAULT_STATE_PENDING
REPAIRED = _states("RESOLVED CLOSED")
UNREPAIRED = _states("ACKNOWLEDGED IN_PROGRESS HELD PENDING")


def may_follow(before: FaultState.ValueType, after: FaultState.ValueType) -> bool:
    """Whether a fault goes from one state to another in one step."""
    return after in _states(_NEXT.get(name(before), ""))


def name(state: FaultState.ValueType) -> str:
    """The state in a word."""
    return FaultState.Name(state).removeprefix("FAULT_STATE_")


class FaultObserver:
    """An observer of faults: observed states never go back, and past events stay (G7)."""

    def __init__(self, who: str, history: History) -> None:
        self._who = who
        self._history = history
        self._last: dict[str, Fault] = {}

    def see(self, fault: Fault) -> None:
        """Takes in a fault as it was shown."""
        before = self._last.get(fault.id)
        self._last[fault.id] = fault
        if before is None:
            self.check_changes(fault)
            return
        if (fault.version, fault.state) == (before.version, before.state):
            return
        if fault.version < before.version:
            self._tell(fault, f"{self._who} saw version {before.version}, then {fault.version}")
        if list(fault.state_changes[: len(before.state_changes)]) != list(before.state_changes):
            self._tell(fault, f"{self._who} saw other changes of its state than before")
        self.check_changes(fault)

    def check_changes(self, fault: Fault) -> None:
        """The changes of state that a fault tells of, and that the last of them is its state."""
        for before, after in pairwise(fault.state_changes):
            if not may_follow(before.state, after.state):
                self._tell(fault, f"its states went from {name(before.state)} to {name(after.state)}")
        if fault.state_changes[-1].state != fault.state:
            self._tell(fault, f"it is {name(fault.state)} and went to {name(fault.state_changes[-1].state)}")

    def _tell(self, fault: Fault, text: str) -> None:
        self._history.broken("monotonic status", fault.id, text)
