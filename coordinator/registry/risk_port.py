"""Risks in the registry: one entry each, shared by the coordinators of a federation and durable on return.

A write compares the risk of the decision, so that of two simultaneous ones the second is decided anew.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from coordinator.registry.problem_port import Administered
from gateway.api.coordinator.v1.risk_service_pb2 import Risk

DecideRisk = Callable[[Risk | None], Risk | None]
"""The risk after a change, from the stored one; None changes nothing. It may be called again."""


class RiskRegistry(Protocol):
    """See the module. Signals leave no audit row; an administrator's action leaves one.

    Each method raises Refused with REGISTRY_UNAVAILABLE where the registry does not respond.
    """

    async def all(self) -> Sequence[Risk]:
        """All risks, by id."""
        ...

    async def change(self, risk_id: str, decide: DecideRisk, by: Administered | None = None) -> Risk | None:
        """Stores the result of `decide` and returns the stored risk, if any. Raises the exceptions of `decide`."""
        ...
