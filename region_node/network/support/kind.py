"""What support requests register for erasure, legal holds and retention."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.network.support import rules
from region_node.network.support.purging import SupportRequests
from region_node.network.support.rows import KIND, find_support_request, support_requests_about, support_subject
from region_node.node.context import RegionContext
from region_node.records.kinds import (
    AboutNumber,
    Customer,
    Ended,
    ErasurePort,
    HoldPort,
    Kept,
    RecordKind,
    RetentionPort,
    Table,
)


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    """The other region destroys its own by the standing of the customer."""
    return [
        Kept(
            each.support_id,
            (support_subject(each.support_id), envelope_subject(each.support_id)) if each.is_ended else (),
            (each.opening_region, each.owner_region),
            is_told=False,
        )
        for number in customer.numbers
        for each in support_requests_about(tx, number)
    ]


def _forget(tx: Transaction, support_id: str) -> None:
    tx.execute("UPDATE support_requests SET number_index = '' WHERE support_id = :id", id=support_id)


def _about(tx: Transaction, number: str) -> Sequence[AboutNumber]:
    return [AboutNumber(each.support_id) for each in support_requests_about(tx, number)]


def _ended(tx: Transaction, support_id: str) -> Ended | None:
    row = find_support_request(tx, support_id)
    if row is None or not rules.is_ended(row.request):
        return None
    return Ended([support_id], [support_subject(support_id)], row.request.inquiry.number, support_id)


def _may_hold(tx: Transaction, context: RegionContext, origin: str, support_id: str) -> bool | None:
    row = find_support_request(tx, support_id)
    if row is None:
        return None
    return context.federation.number_plan.home_of(row.request.inquiry.number) == origin


def _is_open(tx: Transaction, support_id: str) -> bool:
    state = tx.first(int, "SELECT state FROM support_requests WHERE support_id = :id", id=support_id)
    return state is not None and state != rules.CLOSED


SUPPORT_REQUESTS = RecordKind(
    KIND,
    ErasurePort(kept_of=_kept_of, forget={KIND: _forget}, about=_about, ended=_ended),
    HoldPort(
        held="SELECT held.subject, number_index FROM held JOIN support_requests ON support_id = held.subject",
        may_hold=_may_hold,
    ),
    RetentionPort(
        purgers={DataClass.DATA_CLASS_SUPPORT_REQUESTS: SupportRequests()},
        table=Table("support_requests", "support_id", "number_index"),
        is_open=_is_open,
    ),
)
