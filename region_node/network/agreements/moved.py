"""Agreements of a customer who moves to another home: the terms go on, and each home computes its part of the month."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import Agreement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.customers.rows import Line
from region_node.network.agreements.operations import MOST_MINOR_UNITS
from region_node.network.agreements.rows import end_agreement, insert_agreement, next_agreement_number, running_of
from region_node.network.agreements.statements import settle_passed
from region_node.node.context import RegionContext
from region_node.node.rules import MOVED_HERE


def to_hand_over(tx: Transaction, product_id: str, moment: datetime) -> Sequence[Agreement]:
    """The agreements of a line that have not ended at the moment of the move, by id."""
    return running_of(tx, product_id, moment)


def require_handed_over(context: RegionContext, agreements: Sequence[Agreement], products: Mapping[str, Line]) -> None:
    """Raises Refused with ENVELOPE_INVALID for agreements that are not about the lines, or without a valid charge."""
    seen = set[tuple[str, str]]()
    for each in agreements:
        charge, place = each.monthly_charge, (each.product_id, each.service)
        is_known = each.product_id in products and place not in seen and each.HasField("start_time")
        if not is_known or charge.currency != context.currency or not 0 <= charge.minor_units <= MOST_MINOR_UNITS:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not an agreement of a line that moves")
        seen.add(place)


def take_over(
    tx: Transaction,
    context: RegionContext,
    agreements: Sequence[Agreement],
    products: Mapping[str, Line],
    moment: datetime,
    now: datetime,
) -> None:
    """Goes on with agreements from the moment of the move, or from their later start.

    `products` are the lines here by their ids at the former home. Its announcements of planned outages stand. A
    hand-over that came late may bring months that are stated here already: they are stated for these agreements too.
    """
    for each in agreements:
        line, number = products[each.product_id], next_agreement_number(tx)
        agreement = Agreement()
        agreement.CopyFrom(each)
        agreement.former_id, agreement.id = each.id, _id_here(context.region, line.product_id, each.service)
        agreement.number, agreement.customer_id, agreement.product_id = line.number, line.customer_id, line.product_id
        agreement.start_time.CopyFrom(to_timestamp(max(moment, from_timestamp(each.start_time))))
        insert_agreement(tx, agreement, number)
        settle_passed(tx, context, agreement, moment, now)


def give_up(tx: Transaction, context: RegionContext, product_id: str, moment: datetime, now: datetime) -> None:
    """Ends the agreements of a line at the moment of the move; one that begins later never runs here.

    Months that were stated meanwhile are computed again without the time that is the new home's. The account of the
    line is still open, since credits on the way belong to it.
    """
    for each in running_of(tx, product_id, moment):
        each.end_time.CopyFrom(to_timestamp(max(moment, from_timestamp(each.start_time))))
        end_agreement(tx, each)
        settle_passed(tx, context, each, moment, now)


def _id_here(region: str, product_id: str, service: str) -> str:
    """The id of a moved agreement: the same where a region that has lost the customer takes it over once more.

    Other regions know the claims of its months by it. The id of a moved line comes from the move, and a line has one
    agreement on a service.
    """
    digest = hashlib.sha256(f"{product_id} {service}".encode()).hexdigest()
    return f"{region}/agreement-{MOVED_HERE}{digest[:20]}"
