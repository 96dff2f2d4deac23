"""Verifies the audit chains by itself every hour: one live coordinator in turn all, every other one its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from opentelemetry.metrics import Meter

from coordinator.auditing.rules import TURN, has_turn
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, ChainProblemKind
from gateway.auditing.denial_log import DenialLog
from gateway.auditing.metrics import observe_broken
from gateway.errors import Refused
from gateway.process.metrics import observe
from gateway.rpc.incidents import contained
from gateway.time.clock import Clock

INTERVAL = TURN.total_seconds()  # between two verifications
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
        # The time of the last verification of each region's chain that had a verdict, and whether the chain is whole.
        self._judged: dict[str, tuple[datetime, bool]] = {}
        # The last time, or the first look without a result. The own chain counts from here, if no look succeeds at all.
        self._verified = {f"chain/{name}": clock.now()}

    def observe(self, meter: Meter, heads: Callable[[], Mapping[str, tuple[datetime, bool]]]) -> None:
        """Registers the metrics of broken chains, and of the seconds since each was verified to its end.

        `heads` are those of `FederationService.audit_heads`: a contradicted one breaks the chain of its region, too.
        """

        def broken() -> Mapping[str, bool]:
            contradicted = {f"region/{region}" for region, (_, continues) in heads().items() if not continues}
            return dict.fromkeys(self._verified, False) | dict.fromkeys({*self._broken, *contradicted}, True)

        def ages() -> Iterator[tuple[float, dict[str, str]]]:
            now = self._clock.now()
            for chain, time in dict(self._verified).items():
                yield max(0.0, (now - time).total_seconds()), {"chain": chain}

        observe_broken(meter, broken)
        observe(meter, "crossregion.audit.verification.age", "s", ages)

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
        verifies_all = has_turn(self._name, self._registry.snapshot().replicas, self._clock.now())
        known, began = set[str](), self._clock.now()
        async for verdict in self._verdicts(is_coordinator_only=not verifies_all):
            subject = f"chain/{verdict.chain}" if verdict.chain else f"region/{verdict.region}"
            known.add(subject)
            now = self._clock.now()
            if not verdict.reason:
                self._verified[subject] = now
            self._verified.setdefault(subject, now)
            if verdict.region and (verdict.problems or not verdict.reason):
                is_whole = not verdict.problems  # at the begin: a part may break once it is verified
                self._judged[verdict.region] = began if is_whole else now, is_whole
            if verdict.problems:
                await self._note(subject, verdict.problems[0])
            elif not verdict.reason:
                self._broken.pop(subject, None)
        if verifies_all:  # a region that has left has no chain
            for subject in self._verified.keys() - known:
                del self._verified[subject]
                self._broken.pop(subject, None)
                self._judged.pop(subject.removeprefix("region/"), None)
        else:  # the coordinator whose turn it is has the word about regions
            self._broken = {subject: each for subject, each in self._broken.items() if subject.startswith("chain/")}

    def judged_regions(self) -> Mapping[str, tuple[datetime, bool]]:
        """By region: the time of this coordinator's last verification of its chain, and whether the chain was whole.

        The time is the begin for a whole chain, and the end for a broken one.
        """
        return self._judged

    async def _note(self, subject: str, problem: ChainProblem) -> None:
        if self._broken.get(subject) == problem:
            return
        self._broken[subject] = problem
        known = ChainProblemKind.DESCRIPTOR.values_by_number.get(problem.kind)  # a region may be of a later version
        kind = str(problem.kind) if known is None else known.name.removeprefix("CHAIN_PROBLEM_KIND_").lower()
        detail = f"row {problem.sequence} {kind}" + (f", seen by {problem.witness}" if problem.witness else "")
        await self._denial_log.alarm(self._name, "AUDIT_CHAIN_BROKEN", subject, detail)
