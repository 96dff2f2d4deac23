"""The queues of a node for systems beside it, as its metrics show them."""

from datetime import datetime, timedelta

from gateway.store.port import Store, Transaction
from gateway.time.clock import SteadyClock
from region_node.business.orders import provisioning_rows
from region_node.care.complaints import case_notifier_rows
from region_node.customers.notices import delivery
from region_node.customers.notices import rows as notices
from region_node.listeners import rows as listeners
from region_node.listeners.resources import last_change
from region_node.network.problems import rows as problems
from region_node.node.queues import Look, QueueWatch, Waiting


def queue_watch(store: Store, clock: SteadyClock, *, has_notifier: bool) -> QueueWatch:
    """The watch of all queues; of notices only where the region has a system that sends them."""
    looks: dict[str, Look] = {
        "fulfilment": lambda tx, _: provisioning_rows.waiting(tx),
        "listeners": lambda tx, _: listeners.waiting(tx, last_change),
        "cases": lambda tx, _: case_notifier_rows.waiting(tx),
        "network_events": lambda tx, _: problems.waiting(tx),
    }
    if has_notifier:
        looks["notices"] = _notices
    return QueueWatch(store, clock, looks)


def _notices(tx: Transaction, now: datetime) -> Waiting:
    return notices.waiting(tx, now + timedelta(seconds=delivery.LONGEST_REST))
