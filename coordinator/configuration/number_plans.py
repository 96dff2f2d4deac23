"""The number plan in force, prepared for look-ups once per revision: half a million prefixes take a second."""

import asyncio

from coordinator.registry.port import Snapshot
from gateway.api.federation.v1 import configuration_pb2
from gateway.federation.numberplan import NumberPlan


class NumberPlans:
    """The plan of one revision at a time, the last one used."""

    def __init__(self) -> None:
        self._revision = 0
        self._plan = NumberPlan(configuration_pb2.NumberPlan())

    async def of(self, snapshot: Snapshot) -> NumberPlan:
        """The plan of a snapshot, without the assignments of numbers; an empty one before the first configuration."""
        if snapshot.revision != self._revision and snapshot.configuration is not None:
            # Beside the event loop, which has envelopes to forward.
            plan = await asyncio.to_thread(NumberPlan, snapshot.configuration.number_plan)
            self._revision, self._plan = snapshot.revision, plan
            return plan
        return self._plan
