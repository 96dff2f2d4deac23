"""The consequences of a fault's new version in the origin region, and in the home region."""

from datetime import datetime

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.store.port import Transaction
from region_node.network.faults import notices, outages, regional, rules, waiver
from region_node.network.faults.rows import FaultRow
from region_node.node.context import RegionContext


def followed(
    tx: Transaction,
    context: RegionContext,
    before: Fault,
    row: FaultRow,
    now: datetime,
    signed: FaultWaived | None = None,
) -> None:
    """Notifies the customer of news, and gives rent back. The fault is changed in place; the caller stores it.

    `before` is this region's former version; empty for an unknown fault. `signed` is as in `waiver.settle`.
    """
    fault = row.fault
    if fault.origin_region == context.region:
        notices.tell_changed(tx, context, before, fault, now)
    regional.settle_parts(tx, context, fault, now)
    if fault.home_region != context.region:
        return
    for number, each in enumerate(fault.outages):
        # An outage that is late by an earlier one brings no news.
        is_told = each.HasField("breach_time") and each.breach_time == each.due_time
        if is_told and not _was_late(before, number):
            notices.tell_late(tx, fault, number, now)
    waiver.settle(tx, context, row, now, signed)
    is_repaired = fault.state == rules.RESOLVED != before.state
    if is_repaired and outages.is_late_by_the_customer(fault):
        notices.tell_own_cause(tx, fault, now)


def _was_late(before: Fault, number: int) -> bool:
    return number < len(before.outages) and before.outages[number].HasField("breach_time")
