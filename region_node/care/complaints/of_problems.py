"""The complaints that belong to a network problem, for the lists and counts of problems."""

from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.store.batched_lookup import among
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.problems.complaints import categories_about_network
from region_node.node.context import RegionContext


def complaints_of(tx: Transaction, context: RegionContext, header: ProblemHeader, limit: int) -> list[str]:
    """The ticket ids of at most `limit` complaints that belong to a problem, in order.

    These are about the quality of the network and lines on an affected service, filed between its begin and its end.
    Raises Refused with CONFIGURATION_MISSING.
    """
    belonging, parameters = _belonging(context, header)
    if not belonging:
        return []
    sql = f"SELECT DISTINCT complaints.ticket_id {belonging} ORDER BY complaints.ticket_id LIMIT :limit"
    return tx.all(str, sql, limit=limit, **parameters)


def count_complaints(tx: Transaction, context: RegionContext, header: ProblemHeader) -> int:
    """The number of complaints that belong to a problem. Raises Refused with CONFIGURATION_MISSING."""
    belonging, parameters = _belonging(context, header)
    if not belonging:
        return 0
    return tx.first(int, f"SELECT COUNT(DISTINCT complaints.ticket_id) {belonging}", **parameters) or 0


def _belonging(context: RegionContext, header: ProblemHeader) -> tuple[str, dict[str, Value]]:
    """The SQL for complaints that belong to a problem; empty where there can be none."""
    categories = categories_about_network(context)
    if not header.services or not categories:
        return "", {}
    services, parameters = among(header.services)
    named = ", ".join(f":category{number}" for number in range(len(categories)))
    parameters.update({f"category{number}": each for number, each in enumerate(categories)})
    parameters["since"] = to_microseconds(from_timestamp(header.start_time))
    until = ""
    if header.HasField("end_time"):
        until = " AND complaints.create_time <= :until"
        parameters["until"] = to_microseconds(from_timestamp(header.end_time))
    return (
        "FROM line_services JOIN products ON products.product_id = line_services.product_id"
        " JOIN complaints ON complaints.number_index = products.number"
        f" WHERE line_services.service IN ({services}) AND complaints.category IN ({named}) AND complaints.case_id = ''"
        f" AND complaints.create_time >= :since{until}",
        parameters,
    )
