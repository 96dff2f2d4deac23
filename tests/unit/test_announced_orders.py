"""The queries that a home region announces for an order are those of the decision: a new one does not go unnoticed."""

from collections.abc import Iterable, Sequence

import pytest

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant, Document, Requester
from gateway.relay.outbox import closing_wanted, is_answered, sending_wanted
from gateway.security.identity import Identity
from gateway.store.port import Value
from gateway.store.reading_ahead import Wanted
from gateway.store.sqlite import SqliteTransaction
from gateway.store.tables import Parameters, values_of
from gateway.store.unit_of_work import UnitOfWork, is_query
from gateway.time.clock import to_timestamp
from region_node.business.orders.announced import deciding, taking_in
from region_node.business.orders.intake import submit
from region_node.requests.caller import Caller
from tests.unit.situations import LINE, NOW
from tests.unit.test_orders_in_one_commit import deciding as decision
from tests.unit.test_orders_in_one_commit import region

Query = tuple[str, tuple[Value, ...]]
FOREIGN = "+8619844000001"  # of Guangdong
USUAL = ("FROM secrets", "FROM order_events", "FROM audit")
"""Parts of queries that are the same in every commit: the store knows them by itself."""


def queries_of(tx: SqliteTransaction, wanted: Iterable[Wanted]) -> set[Query]:
    """The announced queries, with those that follow from their rows."""
    found: set[Query] = set()
    for each in wanted:
        found.add((each.statement, values_of(each.parameters)))
        for row in tx._run(each.statement, each.parameters).fetchall():
            found |= queries_of(tx, each.follows(row))
    return found


@pytest.fixture(name="made")
def queries_made(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """Fills with the queries that reach the database."""
    queries: list[Query] = []
    run = SqliteTransaction._run

    def noting(self: SqliteTransaction, sql: str, parameters: Parameters) -> object:
        if is_query(sql):
            queries.append((sql, values_of(parameters)))
        return run(self, sql, parameters)

    monkeypatch.setattr(SqliteTransaction, "_run", noting)
    return queries


def unannounced(made: Sequence[Query], announced: set[Query]) -> list[Query]:
    """The queries that were made and neither announced nor usual."""
    return [each for each in made if each not in announced and not any(usual in each[0] for usual in USUAL)]


def test_all_queries_of_a_decision_are_announced(made: list[Query]) -> None:
    name = "guangdong/counter/order"
    submission = OrderSubmission(order=Order(id=name, request=OrderRequest(number=LINE.number)))
    content = EnvelopeContent(subject=name, payload=submission.SerializeToString())
    with region() as (database, context):
        tx = database.transaction()
        announced = queries_of(tx, deciding(tx, content))
        made.clear()
        decision(context, "order", "SUSPEND", LINE.number, 1)(database.transaction(UnitOfWork()))
    assert len(made) > len(USUAL)
    assert unannounced(made, announced) == []


@pytest.mark.parametrize("number", [LINE.number, FOREIGN], ids=["of this region", "of another region"])
def test_all_queries_of_an_order_that_is_taken_in_are_announced(made: list[Query], number: str) -> None:
    caller = Caller(Identity("china", Role.ROLE_OPERATOR, "sichuan", "counter"), "order", "")
    paper = Document(code="ID_ORIG", verifier="clerk-7", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    request = OrderRequest(
        business="SUSPEND",
        number=number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        characteristics={"reason": "a journey"},
        requester=Requester(staff_id="clerk-7"),
    )
    with region() as (database, context):
        tx = database.transaction()
        announced = queries_of(tx, taking_in(tx, context.node, caller, number))
        made.clear()
        order = submit(database.transaction(UnitOfWork()), context, caller, request, NOW)
    assert order.home_region == context.node.federation.number_plan.home_of(number)
    assert unannounced(made, announced) == []


def test_all_queries_for_an_envelope_are_announced(made: list[Query]) -> None:
    with region() as (database, _):
        tx = database.transaction()
        announced = queries_of(tx, [*closing_wanted("envelope", "subject"), *sending_wanted("subject")])
        made.clear()
        assert not is_answered(tx, "envelope")
    assert unannounced(made, announced) == []
