"""Verifies the audit chains by itself every hour: the first live coordinator all, every other one its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

from coordinator.registry.port import Registry
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, ChainProblemKind
from gateway.auditing.denial_log import DenialLog
from gateway.errors import Refused
from gateway.rpc.incidents import contained
from gateway.time.clock import Clock

INTERVAL = 3600.0  # seconds between two verifications
_FIRST = 300.0  # seconds after a start: by then the regions have joined
_log = logging.getLogger(__name__)


class Verdicts(Protocol):
    """Gives the verdict on each chain."""

    def __call__(self, region: str = "", *, is_coordinator_only: bool = False) -> AsyncIterator[ChainVerdict]:
        """See AuditOversightService.verdicts."""
        ...


class ChainWatch:
    """A loop of each coordinator."""

    def __init__(self, name: str, registry: Registry, verdicts: Verdicts, denial_log: DenialLog, clock: Clock) -> None:
        """`name` is this coordinator, for example `coordinator/0`."""
        self._name = name
        self._registry = registry
        self._verdicts = verdicts
        self._denial_log = denial_log
        self._clock = clock
        self._broken: dict[str, ChainProblem] = {}

    async def run(self) -> None:
        """Runs until cancelled. A verification without the registry is done an hour later."""
        await asyncio.sleep(_FIRST)
        while True:
            try:
                with contained("the verification of audit chains"):
                    await self.look()
            except Refused as refused:
                _log.info("the audit chains are verified later: %s", refused)
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Verifies once. The first problem of a chain is an audit row and an error in the log. Raises Refused."""
        is_first = min(self._registry.snapshot().replicas, default=self._name) == self._name
        async for verdict in self._verdicts(is_coordinator_only=not is_first):
            subject = f"chain/{verdict.chain}" if verdict.chain else f"region/{verdict.region}"
            if verdict.problems:
                await self._note(subject, verdict.problems[0])
            elif not verdict.reason:
                self._broken.pop(subject, None)

    def broken_regions(self) -> Mapping[str, tuple[datetime, bool]]:
        """The regions with a broken chain, in the form of `FederationService.audit_heads`."""
        now = self._clock.now()
        names = (subject.removeprefix("region/") for subject in self._broken if subject.startswith("region/"))
        return dict.fromkeys(names, (now, False))

    async def _note(self, subject: str, problem: ChainProblem) -> None:
        if self._broken.get(subject) == problem:
            return
        self._broken[subject] = problem
        known = ChainProblemKind.DESCRIPTOR.values_by_number.get(problem.kind)  # a region may be of a later version
        kind = str(problem.kind) if known is None else known.name.removeprefix("CHAIN_PROBLEM_KIND_").lower()
        detail = f"row {problem.sequence} {kind}" + (f", seen by {problem.witness}" if problem.witness else "")
        await self._denial_log.alarm(self._name, "AUDIT_CHAIN_BROKEN", subject, detail)
