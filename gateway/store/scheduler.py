"""Fires timers as they fall due."""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.errors import Refused
from gateway.store import failed_timers
from gateway.store.failed_timers import (
    ATTEMPTS_LIMIT,
    FailedTimer,
    HandlerRefused,
    due_attempts,
    is_lasting,
    note_failure,
    problem_of,
    waiting_again,
)
from gateway.store.port import OutcomeLost, Store, Transaction
from gateway.store.quarantine import TIMER, Keep, QuarantinedWork, is_due_for_quarantine, work_id
from gateway.store.timers import (
    SWEEP_LIMIT,
    DueRows,
    Timer,
    TimerHandler,
    TimerSet,
    due_timers,
    fire,
    first_due,
    first_unknown,
)
from gateway.time.clock import Clock, from_microseconds, to_microseconds
from gateway.time.looks import until_look

SHORTEST_SLEEP = 0.05  # seconds: a stepped clock may leave a timer due, and this delays the next look
LONGEST_SLEEP = 1.0  # seconds: a stepped clock is noticed after at most this
READ_AGAIN = 60.0  # seconds: a timer whose `TimerSet` was lost without a word is found after at most this
COUNT_AGAIN = 10.0  # seconds at least between two counts of the timers that wait for another attempt
STORE_REST = 1.0  # seconds before the next look at a store that is away
_NEVER = datetime.max.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OfFailed:
    """Ports for timers that fail."""

    rest: Callable[[int], float]
    """Seconds until the next attempt, after a number of failed ones."""
    quarantine: Keep
    """Leaves work to people. The timer is removed in the same transaction."""


@dataclass(frozen=True)
class _Due:
    """A timer, or a row of `rows`, to be fired; `failed` where it has failed before."""

    timer: Timer
    rows: DueRows | None = None
    failed: FailedTimer | None = None


@dataclass
class TimerCounts:
    """Counts of a scheduler since its start, by kind, for metrics."""

    fired: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """Attempts, each of one timer."""
    waiting_again: Mapping[str, int] = field(default_factory=dict)
    """The timers that wait for another attempt, as they were counted last."""


class Scheduler:
    """Fires timers as they fall due. Every process may run one: a timer fires in one transaction only.

    A timer that has failed waits for its own next attempt, and is left to people in the end. Sound timers come first.
    In each sweep a few have room that failed before, or that are of a kind of which all have failed in the last sweep.
    Timers of a kind without a handler wait for the newer version that has set them.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        handlers: Mapping[str, TimerHandler],
        of_failed: OfFailed,
        is_settled: Callable[[], bool],
        rows: Sequence[DueRows] = (),
    ) -> None:
        """`is_settled` says whether the clock can be relied on: while it cannot, no timer fires."""
        self._store = store
        self._is_settled = is_settled
        self._rows = {each.kind: each for each in rows}
        self._clock = clock
        self._handlers = handlers
        self._of_failed = of_failed
        self._suspects: frozenset[str] = frozenset()  # kinds of which the last sweep has fired none, and some failed
        self._changed = asyncio.Event()
        self.counts = TimerCounts()
        self._count_at = 0.0
        self._next_due = self._oldest_due = self._set_meanwhile = _NEVER
        self._awake_at: datetime | None = None
        self._read_at = 0.0  # when the table was read, in the loop's time
        store.subscribe(TimerSet, self._timer_set)
        store.subscribe(OutcomeLost, self._outcome_lost)

    def lateness(self) -> float:
        """Seconds since the oldest timer was due that has not fired yet, by the clock of this process; 0 without one.

        It goes on while the clock is not settled, and while the store is away.
        """
        return max(0.0, (self._clock.now() - self._oldest_due).total_seconds())

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._tell_of_unknown()
        while True:
            self._changed.clear()
            if not self._is_settled():
                await asyncio.sleep(until_look(LONGEST_SLEEP))
                continue
            try:
                if not await self._sweep():
                    await self._sleep()
            except Refused as refused:
                _log.warning("no timer can be looked at now: %s", refused)
                await asyncio.sleep(STORE_REST)

    async def _tell_of_unknown(self) -> None:
        """Logs the kind of the first due timer without a handler. A store that is away keeps nobody from firing."""
        now = self._clock.now()
        with contextlib.suppress(Refused):
            if (kind := await self._store.read(lambda tx: first_unknown(tx, now, self._handlers))) is not None:
                _log.warning("timers of kind %s wait for the newer version that has set them", kind)

    def _timer_set(self, timer: TimerSet) -> None:
        self._next_due = min(self._next_due, timer.due_time)
        self._oldest_due = min(self._oldest_due, timer.due_time)
        self._set_meanwhile = min(self._set_meanwhile, timer.due_time)
        if self._awake_at is None or timer.due_time < self._awake_at:
            self._changed.set()

    def _outcome_lost(self, _: OutcomeLost) -> None:
        self._changed.set()

    async def _sweep(self) -> bool:
        """Fires due timers; returns whether any was found."""
        now = self._clock.now()
        self._set_meanwhile = _NEVER
        # Now and then: there may be thousands with one defect.
        is_counting = asyncio.get_running_loop().time() >= self._count_at
        sound, doubtful, counted = await self._store.read(
            lambda tx: (self._due(tx, now), self._doubtful(tx, now), waiting_again(tx) if is_counting else None)
        )
        if counted is not None:
            self.counts.waiting_again = counted
            self._count_at = asyncio.get_running_loop().time() + COUNT_AGAIN
        self._oldest_due = min((from_microseconds(each.timer.due_time) for each in (*sound, *doubtful)), default=_NEVER)
        fired = await self._fire_all(sound, now)
        fired |= await self._fire_all(doubtful, now)
        self._oldest_due = self._set_meanwhile
        tried = {each.timer.kind for each in (*sound, *doubtful)}
        self._suspects = (self._suspects | tried) - fired if tried else frozenset()
        if tried and not fired:  # the commits that they undo are not all commits of this node
            await asyncio.sleep(SHORTEST_SLEEP)
        return bool(tried)

    async def _fire_all(self, due: Sequence[_Due], now: datetime) -> set[str]:
        """Fires timers, and returns the kinds of which some have fired or were gone."""
        firing = [self._store.write(partial(self._fire, due=each, now=now)) for each in due]
        results = await asyncio.gather(*firing, return_exceptions=True)
        failures = [
            (each, result) for each, result in zip(due, results, strict=True) if isinstance(result, BaseException)
        ]
        self.counts.failed.update(each.timer.kind for each, _ in failures)
        self.counts.fired.update(each.timer.kind for each, result in zip(due, results, strict=True) if result is True)
        if failures:
            await self._note_failures(failures, now)
        return {
            each.timer.kind for each, result in zip(due, results, strict=True) if not isinstance(result, BaseException)
        }

    async def _note_failures(self, failures: Sequence[tuple[_Due, BaseException]], now: datetime) -> None:
        noted = await self._store.write(lambda tx: [self._note(tx, *each, now) for each in failures])
        _tell([(due.timer, error) for due, error in failures if due.failed is None])
        for (due, error), failed in zip(failures, noted, strict=True):
            if failed is None or not is_lasting(error):
                continue
            if is_due_for_quarantine(failed.attempts, failed.fail_time, now):
                await self._quarantine(due, failed, problem_of(error), now)

    def _note(self, tx: Transaction, due: _Due, error: BaseException, now: datetime) -> FailedTimer | None:
        """Puts a timer off. Where it only waits for something, it is tried again soon, and does not count."""
        before = due.failed if is_lasting(error) else None
        rest = self._of_failed.rest((0 if before is None else before.attempts) + 1)
        return note_failure(tx, due.timer, before, rest, now, due.rows)

    async def _quarantine(self, due: _Due, failed: FailedTimer, problem: str, now: datetime) -> None:
        """Leaves a timer to people. A defect in that leaves it among those that are tried again."""
        work = QuarantinedWork(
            work_id(TIMER, failed.timer_id),
            TIMER,
            failed.kind,
            failed.subject,
            problem,
            failed.attempts,
            failed.fail_time,
            to_microseconds(now),
        )

        def keep(tx: Transaction) -> None:
            if failed_timers.end(tx, failed, due.rows):
                self._of_failed.quarantine(tx, work, now)

        (result,) = await asyncio.gather(self._store.write(keep), return_exceptions=True)
        if isinstance(result, BaseException):
            _log.error("timer %s cannot be quarantined now", failed.timer_id, exc_info=result)
        else:
            _log.error("timer %s is quarantined after %d attempts: %s", failed.timer_id, failed.attempts, problem)

    def _due(self, tx: Transaction, now: datetime) -> list[_Due]:
        """The due timers and rows that are sound, oldest first."""
        found = [_Due(timer) for timer in due_timers(tx, now, of=self._handlers.keys() - self._suspects)]
        found += self._due_rows(tx, now, self._rows.keys() - self._suspects, SWEEP_LIMIT)
        return sorted(found, key=lambda each: (each.timer.due_time, each.timer.timer_id))[:SWEEP_LIMIT]

    def _doubtful(self, tx: Transaction, now: datetime) -> list[_Due]:
        """The due timers that failed before, and those of kinds of which all failed in the last sweep, a few."""
        again = [self._again(each) for each in due_attempts(tx, now, self._handlers.keys())]
        if not self._suspects:
            return again
        first = [_Due(timer) for timer in due_timers(tx, now, ATTEMPTS_LIMIT, of=self._suspects)]
        return again + first + self._due_rows(tx, now, self._rows.keys() & self._suspects, ATTEMPTS_LIMIT)

    def _again(self, failed: FailedTimer) -> _Due:
        return _Due(failed.timer, self._rows.get(failed.kind) if failed.is_row else None, failed)

    def _due_rows(self, tx: Transaction, now: datetime, kinds: Iterable[str], limit: int) -> list[_Due]:
        found = ((self._rows[each], self._rows[each].due(tx, now, limit)) for each in sorted(kinds))
        return [_Due(timer, rows) for rows, timers in found for timer in timers]

    def _first(self, tx: Transaction) -> datetime:
        """When the first timer or row is due."""
        found = [first_due(tx, self._handlers.keys())]
        found += [rows.first(tx) for rows in self._rows.values()]
        return min((from_microseconds(each) for each in found if each is not None), default=_NEVER)

    def _fire(self, tx: Transaction, due: _Due, now: datetime) -> bool:
        try:
            if due.failed is None:
                return fire(tx, due.timer, self._handlers, now, due.rows)
            return failed_timers.attempt(tx, due.failed, self._handlers, now, due.rows)
        except Refused as refused:
            raise HandlerRefused(refused) from None

    async def _sleep(self) -> None:
        """Sleeps until a timer may be due, by this process's count.

        Other processes set timers unnoticed, and so does a write that was reported as failed and is committed.
        """
        self._next_due, self._read_at = _NEVER, asyncio.get_running_loop().time()
        self._next_due = min(await self._store.read(self._first), self._next_due)
        self._oldest_due = self._next_due
        while await self._slept_on():
            pass

    async def _slept_on(self) -> bool:
        """Sleeps for a while; returns whether no timer can be due yet."""
        now = self._clock.now()
        left = (self._next_due - now).total_seconds()
        seconds = min(max(left, SHORTEST_SLEEP), until_look(LONGEST_SLEEP))
        self._awake_at = now + timedelta(seconds=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._awake_at = None
        is_known = asyncio.get_running_loop().time() < self._read_at + READ_AGAIN and not self._store.is_shared
        return left > seconds and not self._changed.is_set() and is_known


def _tell(failures: Sequence[tuple[Timer, BaseException]]) -> None:
    """Logs the first failures of timers, together by their kind: there may be thousands with one defect."""
    by_kind: dict[tuple[str, type[BaseException]], list[tuple[Timer, BaseException]]] = defaultdict(list)
    for timer, error in failures:
        by_kind[timer.kind, type(error)].append((timer, error))
    for (kind, _), group in by_kind.items():
        timer, error = group[0]
        _log.error(
            "%d timers of kind %s failed and are tried again, one of them is %s",
            len(group),
            kind,
            timer.timer_id,
            exc_info=error,
        )
