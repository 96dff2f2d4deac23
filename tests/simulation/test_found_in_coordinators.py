"""Findings of runs of coordinators, each a short story."""

import asyncio
import random

import pytest

from coordinator.registry.etcd.changes import Change, Changes, Put
from coordinator.registry.etcd.client import ATTEMPT_SECONDS, CALL_SECONDS, Method, Request, Response
from coordinator.registry.etcd.keys import Keys
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from tests.simulation.etcd import LineToEtcd, SimulatedEtcd, Trouble
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.world import START

MOST = 1_000  # attempts in the time of one call


class Counted(LineToEtcd):
    """A line that counts what is sent."""

    attempts = 0

    async def once(
        self, method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
    ) -> Response:
        """See `EtcdClient`."""
        self.attempts += 1
        assert self.attempts < MOST, "it is tried again and again without a pause"
        return await super().once(method, request, seconds)


class Followed:
    """Nothing of etcd is known."""

    revision = 0

    def require_onward(self, revision: int, seen: int) -> None:
        """See the port."""


def test_a_change_of_the_registry_pauses_between_attempts_to_its_end_where_etcd_refuses_at_once() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        line = Counted(SimulatedEtcd(loop), random.Random(1))
        line.treat(Trouble.CUT)
        changes = Changes(line, Keys("crossregion"), Followed())
        with pytest.raises(Refused) as refused:
            await changes.make([b"key"], lambda _: Change({b"key": Put(b"value")}), START)
        assert refused.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(scenario()) <= CALL_SECONDS
