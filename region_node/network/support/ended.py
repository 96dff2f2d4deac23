"""Support requests of customers who were erased: once they are closed, nothing of them can be read any more."""

from datetime import datetime

from gateway.store.port import Transaction
from gateway.timers import Timer
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.of_numbers import is_erased, is_held, look_again
from region_node.lifecycle.erasure.standing_told import forget_later
from region_node.network.support.rows import find_support_request, support_subject
from region_node.network.support.rules import is_ended
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index


def support_has_ended(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Destroys the key of a support request that is closed, if the home region of the number has erased its customer.

    The envelopes about it are forgotten when they have had their answers.
    """
    row = find_support_request(tx, timer.subject)
    if row is None or not is_ended(row.request):
        return
    number = row.request.inquiry.number
    if not is_erased(tx, context, number):
        return
    if is_held(tx, row.request.id, number_index(tx, number), now):
        look_again(tx, timer.kind, timer.subject, now)
        return
    destroy(tx, context, [support_subject(row.request.id)], now)
    forget_later(tx, row.request.id, now)
