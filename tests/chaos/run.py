"""A run: load, faults under it, quiet, and the proof."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Semaphore

from deploy.local.process import ProcessFailed, wait_until
from deploy.local.profiles import Engine
from gateway.errors import Refused, Unreachable
from tests.chaos.alarms import known_to_coordinators
from tests.chaos.checking import CALLS, DOUBLED, MONEY, WAITS, Violation, check, check_alarms
from tests.chaos.drawing import MOST_AT_ONCE, FaultKind, Planned, drawn
from tests.chaos.facts import read, waiting
from tests.chaos.faults import Faults
from tests.chaos.load import REGIONS, STAFF, MixedLoad, died
from tests.chaos.members import Shape
from tests.chaos.money import compared
from tests.chaos.operations import Kind, Summary, summary
from tests.chaos.recovery import Recovery
from tests.crash.records import Records
from tests.faults.background import Background
from tests.rolling.replacing import NotReplaced

_PROOF = 180.0  # seconds until a fault has to show itself: the member may be starting meanwhile
_QUIET = 240.0  # seconds until all has come to its end after the faults, on a busy machine
FAULT = "fault"


@dataclass(frozen=True)
class Happened:
    """A fault that happened. Times are seconds after the beginning of the load."""

    planned: Planned
    begun: float
    ended: float
    recovery: float
    """Seconds from its end to the first operation that was acknowledged through the member."""
    proof: str


@dataclass(frozen=True)
class Report:
    """The results of a run."""

    seed: int
    engine: Engine
    seconds: float
    """How long the load lasted, with the recovery from the last fault."""
    quiet: float
    """Seconds from the end of the load until all had come to its end."""
    operations: list[Summary]
    faults: list[Happened]
    violations: list[Violation]
    memory: Mapping[str, tuple[float, float]]
    """MiB of each process before the load and after all, by name."""
    resumed: int
    """How often the watch was begun again."""


class Chaos:
    """The production shape under a mixed load, and the faults of a seed."""

    def __init__(self, directory: Path, engine: Engine, seed: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._background = Background()
        self._shape = Shape(directory, engine, self._background)
        self._load: MixedLoad | None = None
        self._regions: dict[str, Records] = {}
        self._over = Event()
        self._locks: dict[str, Lock] = {}
        self._room = Semaphore(MOST_AT_ONCE)
        self._violations: list[Violation] = []

    def build(self) -> None:
        """Starts everything, and gives every region its customers. Raises ProcessFailed."""
        self._shape.build()
        federation = self._shape.federation
        for region in REGIONS:
            federation.issue_staff(region, STAFF)
            self._regions[region] = Records.of(federation, federation.nodes[region][0].name)
        self._load = self._background.run(self._made())

    def close(self) -> None:
        """Ends everything."""
        self._over.set()
        if self._load is not None:
            self._background.run(self._load.close())
        for records in self._regions.values():
            records.database.close()
        self._shape.close()
        self._background.close()

    def run(self, seconds: float) -> Report:
        """Load and faults for so many seconds, quiet, and the proof. Raises what a caller died of."""
        load, shape = self._load, self._shape
        assert load is not None
        plan = drawn(self._seed, seconds, shape.targets())
        self._locks = {group: Lock() for each in plan for group in each.target.groups}
        self._background.run(load.start())
        before, begun, started = shape.memory(), datetime.now(UTC), time.monotonic()
        happened = self._all_faults(load, plan, started, seconds)
        lasted = time.monotonic() - started
        self._background.run(load.stop())
        self._background.run(load.finish())
        stopped = time.monotonic()
        self._await_quiet(load)
        quiet = time.monotonic() - stopped
        self._violations += self._proof(load, begun)
        after = shape.memory()
        return Report(
            seed=self._seed,
            engine=shape.engine,
            seconds=lasted,
            quiet=quiet,
            operations=[summary(kind, load.operations) for kind in Kind],
            faults=sorted(happened, key=lambda each: each.begun),
            violations=self._violations,
            memory={name: (before.get(name, 0.0), size) for name, size in after.items()},
            resumed=max(0, load.watches - 1),
        )

    def _all_faults(self, load: MixedLoad, plan: list[Planned], started: float, seconds: float) -> list[Happened]:
        """Begins each fault at its time, and returns when all have ended and the members have recovered."""
        faults, recovery = Faults(self._shape, load, self._background), Recovery(self._shape, load, self._background)
        under_way: list[Future[Happened | None]] = []
        with ThreadPoolExecutor(max_workers=max(1, len(plan))) as pool:
            seen: set[FaultKind] = set()
            for planned in plan:
                # What waits for its turn beyond the time is left out, unless no other one shows its kind.
                until = started + seconds if planned.kind in seen else math.inf
                seen.add(planned.kind)
                self._over.wait(max(0.0, started + planned.at - time.monotonic()))
                under_way.append(pool.submit(self._one, faults, recovery, planned, started, until))
            self._over.wait(max(0.0, started + seconds - time.monotonic()))
            return [found for each in under_way if (found := each.result()) is not None]

    def _one(
        self, faults: Faults, recovery: Recovery, planned: Planned, started: float, until: float
    ) -> Happened | None:
        """Makes a fault, and measures the recovery from it. None where it did not happen.

        That is a violation, unless its turn came only after the time.
        """
        name = f"{planned.target.name} {planned.kind.value}"
        with ExitStack() as held:
            for group in sorted(planned.target.groups):  # all in one order, so that nobody waits for ever
                held.enter_context(self._locks[group])
            held.enter_context(self._room)
            begun = time.monotonic()
            if begun > until:
                return None
            try:
                with faults.make(planned) as proof:
                    self._over.wait(planned.seconds)
                    wait_until(proof.holds, _PROOF, f"{name}: the fault shows itself")
                    told = proof.told()
                ended = time.monotonic()
                recovery.wait(planned, ended)
            except (NotReplaced, ProcessFailed) as failure:
                self._violations.append(Violation(FAULT, name, str(failure)))
                return None
            return Happened(planned, begun - started, ended - started, time.monotonic() - ended, told)

    def _await_quiet(self, load: MixedLoad) -> None:
        """Waits until nothing is on its way any more; what still is then waits for ever."""
        try:
            wait_until(lambda: next(self._left(load), None) is None, _QUIET, "all is quiet")
        except ProcessFailed:
            self._violations += [Violation(WAITS, "-", text) for text in self._left(load)]

    def _left(self, load: MixedLoad) -> Iterator[str]:
        """What has not come to its end."""
        for region, records in self._regions.items():
            yield from waiting(region, records)
        taken = {each.order_id for each in load.taken if each.handling == "guangdong"}
        if untold := sorted(taken - set(load.told)):
            yield f"the watch has not told of {len(untold)} orders, as {untold[0]}"

    def _proof(self, load: MixedLoad, begun: datetime) -> list[Violation]:
        numbers = {
            region: [line.number for way in load.ways if way.home == region for line in way.lines] for region in REGIONS
        }
        facts = {region: read(records, numbers[region]) for region, records in self._regions.items()}
        found = check(load.operations, facts, load.postings(), load.suspended())
        known = self._background.run(known_to_coordinators(self._shape.etcd))
        found += check_alarms(load.troubles.are_over, facts, known)
        found += [Violation(DOUBLED, "-", text) for text in load.doubled]
        found += [Violation(CALLS, text, f"{count} times") for text, count in Counter(load.defects).items()]
        found += [Violation(CALLS, "the watch", text) for text in died(load)]
        try:
            found += self._background.run(compared(self._shape.federation, begun))
        except (Refused, Unreachable, TimeoutError) as failure:
            found.append(Violation(MONEY, "-", f"the regions cannot compare their books: {failure!r}"))
        return found

    async def _made(self) -> MixedLoad:
        load = MixedLoad(self._shape.federation, self._seed)
        await load.create_customers()
        return load
