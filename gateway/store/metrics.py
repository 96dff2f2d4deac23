"""The metrics of a store."""

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe, observe_total
from gateway.store.port import Store, StoreCounts


def observe_store(meter: Meter, store: Store) -> None:
    """Counts commits, their operations and their time; gauges the operations that wait, and room on the disk."""

    def counts() -> StoreCounts:
        return store.counts

    observe_total(meter, "crossregion.store.commits", "{commit}", lambda: [(counts().commits, {})])
    observe_total(meter, "crossregion.store.operations", "{operation}", lambda: [(counts().operations, {})])
    observe_total(meter, "crossregion.store.commit.time", "s", lambda: [(counts().seconds, {})])
    observe(meter, "crossregion.store.waiting", "{operation}", lambda: [(counts().waiting, {})])
    observe(meter, "crossregion.store.accepts_new_work", "{store}", lambda: [(store.accepts_new_work(), {})])
    observe(meter, "crossregion.store.not_archived", "{commit}", lambda: [(counts().not_archived, {})])
