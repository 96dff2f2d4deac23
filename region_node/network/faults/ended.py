"""Faults of customers who were erased: once they have ended, nothing of them can be read any more."""

from datetime import datetime

from gateway.store.port import Transaction
from gateway.timers import Timer
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.of_numbers import is_erased, is_held, look_again
from region_node.lifecycle.erasure.standing_told import forget_later
from region_node.network.faults.rows import fault_subject, find_fault
from region_node.network.faults.rules import is_ended
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index


def fault_has_ended(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Destroys the key of a fault that has ended, if the home region of the number has erased its customer.

    The envelopes about it are forgotten when they have had their answers.
    """
    row = find_fault(tx, timer.subject)
    if row is None or not is_ended(row.fault):
        return
    number = row.fault.report.number
    if not is_erased(tx, context, number, row.fault.home_region):
        return
    if is_held(tx, row.fault.id, number_index(tx, number), now):
        look_again(tx, timer.kind, timer.subject, now)
        return
    destroy(tx, context, [fault_subject(row.fault.id)], now)
    forget_later(tx, row.fault.id, now)
