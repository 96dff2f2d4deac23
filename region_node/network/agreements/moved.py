"""Agreements of a customer who moves to another home: the terms go on, and each home computes its part of the month."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

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

_NEVER = datetime.max.replace(tzinfo=UTC)


def to_hand_over(tx: Transaction, product_id: str, moment: datetime) -> Sequence[Agreement]:
    """The agreements of a line that have not ended at the moment of the move, by id."""
    return running_of(tx, product_id, moment)


def require_handed_over(context: RegionContext, agreements: Sequence[Agreement], products: Mapping[str, Line]) -> None:
    """Raises Refused with ENVELOPE_INVALID for agreements that are not about the lines, or without a valid charge.

    One that has an end may have a successor on the same service, which begins then at the earliest.
    """
    ends = dict[tuple[str, str], datetime]()
    for each in _in_order(agreements):
        charge, place, start = each.monthly_charge, (each.product_id, each.service), from_timestamp(each.start_time)
        is_known = each.product_id in products and each.HasField("start_time") and ends.get(place, start) <= start
        if not is_known or charge.currency != context.currency or not 0 <= charge.minor_units <= MOST_MINOR_UNITS:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not an agreement of a line that moves")
        ends[place] = _end_of(each)


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
    known = Counter[str]()
    for each in _in_order(agreements):
        line, number = products[each.product_id], next_agreement_number(tx)
        place = f"{line.product_id} {each.service}"
        agreement = Agreement()
        agreement.CopyFrom(each)
        agreement.former_id, agreement.id = each.id, _id_here(context.region, place, known[place])
        known[place] += 1
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


def _in_order(agreements: Sequence[Agreement]) -> list[Agreement]:
    return sorted(agreements, key=lambda each: (from_timestamp(each.start_time), _end_of(each)))


def _end_of(agreement: Agreement) -> datetime:
    return from_timestamp(agreement.end_time) if agreement.HasField("end_time") else _NEVER


def _id_here(region: str, place: str, successor: int) -> str:
    """The id of a moved agreement: the same where a region that has lost the customer takes it over once more.

    Other regions know the claims of its months by it. `place` is the line, whose id comes from the move, with the
    service; `successor` counts the earlier agreements of the hand-over there.
    """
    digest = hashlib.sha256((f"{place} {successor}" if successor else place).encode()).hexdigest()
    return f"{region}/agreement-{MOVED_HERE}{digest[:20]}"
