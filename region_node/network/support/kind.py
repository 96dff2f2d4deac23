"""The registration of support requests for erasure, legal holds and retention."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.network.support import rules
from region_node.network.support.rows import KIND, find_support_request, support_requests_about
from region_node.records.kinds import Table
from region_node.tickets.kind import Ticket, Tickets


def _find(tx: Transaction, support_id: str) -> Ticket | None:
    row = find_support_request(tx, support_id)
    if row is None:
        return None
    request = row.request
    regions = (request.origin_region, request.owner_region)
    return Ticket(support_id, request.inquiry.number, regions, rules.is_ended(request))


def _about(tx: Transaction, number: str) -> Sequence[Ticket]:
    return [
        Ticket(each.support_id, number, (each.origin_region, each.owner_region), each.is_ended)
        for each in support_requests_about(tx, number)
    ]


def _has_changed(tx: Transaction, support_id: str, before: int) -> bool:
    sql = "SELECT 1 FROM support_requests WHERE support_id = :id AND changed >= :before"
    return tx.first(int, sql, id=support_id, before=before) is not None


SUPPORT_REQUESTS = Tickets(
    KIND,
    Table("support_requests", "support_id", "number_index"),
    counter="support_number",
    purged="purged_support_requests",
    ended_states=frozenset({rules.CLOSED}),
    find=_find,
    about=_about,
    has_changed=_has_changed,
).kind(DataClass.DATA_CLASS_SUPPORT_REQUESTS)
