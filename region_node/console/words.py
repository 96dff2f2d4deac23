"""The words and badges for what pages show of orders, complaints and others."""

from gateway.api.region.v1.fault_pb2 import FaultState
from gateway.api.region.v1.support_request_pb2 import SupportState
from gateway.wording.words import word


def fault_state(state: FaultState.ValueType) -> str:
    """The state of a fault."""
    return word(FaultState.Name(state), "FAULT_STATE_")


def support_state(state: SupportState.ValueType) -> str:
    """The state of a support request."""
    return word(SupportState.Name(state), "SUPPORT_STATE_")
