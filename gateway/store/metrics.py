"""The metrics of a store and of its timers."""

from collections.abc import Mapping

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe, observe_total
from gateway.store.answering import StoreWatch
from gateway.store.port import Store, StoreCounts
from gateway.store.scheduler import Scheduler


def observe_store(meter: Meter, store: Store) -> None:
    """Counts commits, failures, operations and time; gauges the operations that wait, and room on the disk."""

    def counts() -> StoreCounts:
        return store.counts

    observe_total(meter, "crossregion.store.commits", "{commit}", lambda: [(counts().commits, {})])
    observe_total(
        meter,
        "crossregion.store.failed",
        "{commit}",
        lambda: [(count, {"error.type": reason}) for reason, count in counts().failed.items()],
    )
    observe_total(meter, "crossregion.store.operations", "{operation}", lambda: [(counts().operations, {})])
    observe_total(meter, "crossregion.store.commit.time", "s", lambda: [(counts().seconds, {})])
    observe(meter, "crossregion.store.waiting", "{operation}", lambda: [(counts().waiting, {})])
    observe(meter, "crossregion.store.accepts_new_work", "{store}", lambda: [(store.accepts_new_work(), {})])
    observe(meter, "crossregion.store.not_archived", "{commit}", lambda: [(counts().not_archived, {})])


def observe_answers(meter: Meter, watch: StoreWatch) -> None:
    """Gauges for how long a store has not answered; 0 while it does."""
    observe(meter, "crossregion.store.unanswered", "s", lambda: [(watch.unanswered(), {})])


def observe_timers(meter: Meter, scheduler: Scheduler) -> None:
    """Counts timers that fired and attempts that failed, by kind; gauges lateness, and what waits to be tried again."""

    def by_kind(counts: Mapping[str, int]) -> list[tuple[int, dict[str, str]]]:
        return [(count, {"kind": kind}) for kind, count in counts.items()]

    observe_total(meter, "crossregion.timer.fired", "{timer}", lambda: by_kind(scheduler.counts.fired))
    observe_total(meter, "crossregion.timer.failed", "{attempt}", lambda: by_kind(scheduler.counts.failed))
    observe(meter, "crossregion.timer.waiting_again", "{timer}", lambda: by_kind(scheduler.counts.waiting_again))
    observe(meter, "crossregion.timer.lateness", "s", lambda: [(scheduler.lateness(), {})])
