"""An order that turns out to be about an own customer has the first person of whom it was taken in."""

from dataclasses import replace
from pathlib import Path

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.federation.catalogue import Federation
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from region_node.business.orders import intake, rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import require_order
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, EntryKind, transfer
from region_node.customers.rows import insert_line
from region_node.requests.caller import Caller
from tests.unit.situations import LINE, NOW
from tests.unit.test_exposure import FEDERATION, sichuan

PLANNED_LATER = "+8613800000001"


def naming(tmp_path: Path) -> Path:
    """A file by which the operator system may name members of staff without a proof."""
    file = tmp_path / "operators.toml"
    file.write_text('[app]\namount_a_day = 10000\nstaff = "named"\n')
    return file


def held(tx: Transaction, context: OrderContext, request_id: str, proof: str, role: Role.ValueType) -> str:
    """The id of an order that staff review, for a number of no region."""
    request = OrderRequest(business="TERMINATE", number=PLANNED_LATER, applicant=Applicant.APPLICANT_HOLDER)
    request.characteristics["refund_account"] = "6222-0001"
    request.requester.staff_id = "li"
    for code in ("ID_ORIG", "FACE", "SIM", "REFUND_ACC"):
        document = request.documents.add(code=code, verifier="li", keyed_hash=bytes(32))
        document.verify_time.FromDatetime(NOW)
    caller = Caller(
        Identity("f", role, "sichuan", "app" if role == Role.ROLE_OPERATOR else "li"), request_id, "", proof
    )
    order = intake.submit(tx, context, caller, request, NOW)
    assert order.state == rules.HELD
    return order.id


def plan(tx: Transaction, context: OrderContext) -> None:
    """The number becomes one of this region, with a line that owes nothing."""
    configuration = Configuration()
    configuration.CopyFrom(FEDERATION.configuration)
    (own,) = [each for each in configuration.number_plan.prefixes if each.region == "sichuan"]
    own.prefixes.append(PLANNED_LATER[:6])
    context.node.border.current.update(Federation(2, configuration), [])
    insert_line(tx, replace(LINE, product_id="product-2", number=PLANNED_LATER))
    paid = transfer("paid#credit", EntryKind.PAYMENT, 10_000, debit=CASH, credit=LINE.account_id)
    ledger.post(tx, paid, "CNY", NOW)


def released(tx: Transaction, context: OrderContext, order_id: str) -> Order:
    intake.release(tx, context, order_id, NOW)
    return require_order(tx, order_id).order


def test_a_held_order_goes_on_at_its_home_by_the_proof_of_its_first_person_alone(tmp_path: Path) -> None:
    with sichuan(naming(tmp_path)) as (tx, context):
        given = held(tx, context, "1", "", Role.ROLE_OPERATOR)
        proven = held(tx, context, "2", "staff li, proven by wang", Role.ROLE_OPERATOR)
        plan(tx, context)
        refused = released(tx, context, given)
        assert (refused.state, refused.error.reason) == (rules.REJECTED, Reason.REASON_STAFF_NOT_PROVEN)
        assert released(tx, context, proven).awaiting.action == "review"


def test_an_order_that_a_version_before_has_taken_in_counts_as_unproven(tmp_path: Path) -> None:
    with sichuan(naming(tmp_path)) as (tx, context):
        order_id = held(tx, context, "1", "staff li, proven by wang", Role.ROLE_OPERATOR)
        tx.execute("UPDATE orders SET is_proven = 0")
        plan(tx, context)
        assert released(tx, context, order_id).error.reason == Reason.REASON_STAFF_NOT_PROVEN
