"""A run: load, replacements under it, and the proof that nothing was lost by them."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.federation import LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import PRODUCTION
from tests.crash.records import Records
from tests.faults.background import Background
from tests.rolling.load import Load, ways
from tests.rolling.proof import attempts, require_all_done_once
from tests.rolling.replacing import Ending, NotReplaced, Replacement, members, replace

REGIONS = ("guangdong", "sichuan", "henan")
_PATIENCE = 90.0  # seconds until orders are completed on every way again


@dataclass(frozen=True)
class Line:
    """A replacement, and what callers noticed of it until orders were completed on every way again."""

    replacement: Replacement
    whole: float
    """When that was, by `time.monotonic`."""
    answered: int
    """Calls that were answered well while the process was away."""
    slowest: float
    """Seconds of the slowest call that was under way meanwhile."""
    hindrances: Mapping[str, int]
    """Why calls were repeated."""


@dataclass(frozen=True)
class Report:
    """The results of a run. All of them hold: a violation raises."""

    ending: Ending
    lines: list[Line]
    calls: int
    orders: int
    resumed: int
    """How often the watch was begun again."""
    attempts: Mapping[int, int]
    """How many envelopes were sent how often, since the federation was started."""


class Rolling:
    """The production shape with load on it. Requests of one run count in the next."""

    def __init__(self, directory: Path) -> None:
        self._background = Background()
        self._federation = LocalFederation(directory, REGIONS, PRODUCTION)
        self._load: Load | None = None
        self._regions: dict[str, Records] = {}

    def build(self) -> None:
        """Starts everything, and gives every region its customers. Raises ProcessFailed."""
        federation = self._federation
        federation.prepare()
        federation.start()
        self._regions = {
            region: Records.of(federation, replicas[0].name) for region, replicas in federation.nodes.items()
        }
        self._load = self._background.run(_load(federation))

    def close(self) -> None:
        """Ends everything."""
        if self._load is not None:
            self._background.run(self._load.close())
        for records in self._regions.values():
            records.database.close()
        self._federation.kill()
        self._background.close()

    def run(self, ending: Ending, seconds: float = 0.0) -> Report:
        """Replaces every process once, and again as long as so many seconds are not over.

        Raises NotReplaced for a run that proves nothing, ProcessFailed, or AssertionError for one that broke a promise.
        """
        load = self._load
        assert load is not None
        begin, lines = time.monotonic(), list[Line]()
        calls, orders = len(load.journal.calls), len(load.taken)
        self._background.run(load.start())
        try:
            self._await_whole(load, begin)
            watches = load.watches
            while not lines or time.monotonic() < begin + seconds:
                for member in members(self._federation):
                    lines.append(self._line(load, replace(member, ending)))
        finally:
            self._background.run(load.stop())
        load.journal.require_no_failure()
        require_all_done_once(load, self._regions)
        return Report(
            ending=ending,
            lines=lines,
            calls=len(load.journal.calls) - calls,
            orders=len(load.taken) - orders,
            resumed=load.watches - watches,
            attempts=attempts(self._regions),
        )

    def _line(self, load: Load, replacement: Replacement) -> Line:
        answered = load.journal.answered(replacement.ended, replacement.back)
        if not answered:
            raise NotReplaced(f"nobody was served while {replacement.name} was away")
        self._background.run(self._federation.wait_joined(REGIONS))
        self._await_whole(load, replacement.back)
        whole = time.monotonic()
        touched = load.journal.touched(replacement.ended, whole)
        hindrances: Counter[str] = Counter()
        for call in touched:
            hindrances += call.hindrances
        return Line(replacement, whole, answered, max(call.seconds for call in touched), hindrances)

    def _await_whole(self, load: Load, since: float) -> None:
        ways = {way.name for way in load.ways}

        def is_whole() -> bool:
            load.journal.require_no_failure()
            return bool(load.watches) and load.journal.ways_completed_since(since) >= ways

        wait_until(is_whole, _PATIENCE, "orders are completed on every way")


async def _load(federation: LocalFederation) -> Load:
    load = Load(federation, ways())
    await load.create_customers()
    return load
