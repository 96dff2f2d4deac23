"""The common part of businesses that open a line: plan, number, customer, card limit. Pure."""

import hashlib
from dataclasses import replace

from gateway.api.federation.v1.configuration_pb2 import LineKind, NumberPool, Plan
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.numberplan import normalize
from region_node.business.orders.business import Effects, Situation
from region_node.business.orders.contracts import contract_of, contract_subscription
from region_node.business.orders.rules import line_kind
from region_node.customers.rows import CustomerRow
from region_node.customers.subscriptions import Subscription

PERSONS_DOCUMENT = "ID_ORIG"
"""The material that identifies a person."""
_TRIES = 1000  # numbers of a pool that are tried before it counts as exhausted


def require_openable(situation: Situation, kind: LineKind.ValueType) -> None:
    """Requires the plan and the contract in the region, a person's card limit for a mobile line, and a free number."""
    plan_of(situation, kind)
    contract_of(situation)
    if kind == LineKind.LINE_KIND_MOBILE:
        _require_below_card_limit(situation)
    number_for(situation, kind)


def plan_of(situation: Situation, kind: LineKind.ValueType) -> Plan:
    """The plan that the request names. Raises Refused with PLAN_UNKNOWN where the region has none such for the kind."""
    return require_plan(situation.federation, situation.region, situation.text("plan"), kind)


def require_plan(federation: Federation, region: str, plan_id: str, kind: LineKind.ValueType) -> Plan:
    """The plan of a region for a kind of line. Raises Refused with PLAN_UNKNOWN."""
    plan = federation.plan(plan_id)
    if plan.region != region or line_kind(plan) != kind:
        raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=plan.id)
    return plan


def number_for(situation: Situation, kind: LineKind.ValueType) -> str:
    """The number of the new line, the same for each evaluation of one order.

    It is the wished number, that of the region's own system, or a free number of the region's pools. Raises Refused
    with NUMBER_TAKEN, with NUMBER_INVALID for an invalid number of the system, or with NUMBERS_EXHAUSTED without a free
    number.
    """
    chosen = situation.provided.get("number", "")
    wished = situation.text("number") or (normalize(chosen) if chosen else "")
    if wished:
        at_home = situation.federation.number_plan.home_of(wished) == situation.region
        if not at_home or not situation.records.is_free(wished):
            raise Refused(Reason.REASON_NUMBER_TAKEN, number=wished)
        return wished
    for pool in situation.federation.region(situation.region).number_pools:
        number = _free_number(situation, pool) if pool.kind == kind else ""
        if number:
            return number
    raise Refused(Reason.REASON_NUMBERS_EXHAUSTED, region=situation.region)


def _require_below_card_limit(situation: Situation) -> None:
    """Raises Refused with CARD_LIMIT_REACHED for a person with the maximum of lines here (Anti-fraud Law, art. 10).

    An identity document on file identifies a person, whichever region saw it. An earlier attestation of the origin
    region does so, too. Companies have no limit.
    """
    if situation.order.request.applicant == Applicant.APPLICANT_ENTERPRISE:
        return
    known = known_customer(situation)
    limit = situation.federation.figure("card-limit", situation.regions)
    if known and situation.records.lines_held(known) >= limit:
        raise Refused(Reason.REASON_CARD_LIMIT_REACHED, limit=str(limit))


def known_customer(situation: Situation) -> str:
    """The id of the customer of the identity document; empty for a new customer.

    The document is on file, or the origin region has seen it before.
    """
    return situation.records.customer_known_by(situation.order.origin_region, holder_document(situation.order.request))


def holder_document(request: OrderRequest) -> Document:
    """The identity document of the holder. Raises Refused with DOCUMENT_MISSING where the catalogue requires none."""
    code = "BIZ_LIC" if request.applicant == Applicant.APPLICANT_ENTERPRISE else PERSONS_DOCUMENT
    found = next((document for document in request.documents if document.code == code), None)
    if found is None:
        raise Refused(Reason.REASON_DOCUMENT_MISSING, documents=code)
    return found


def opened(situation: Situation, kind: LineKind.ValueType, number: str) -> Effects:
    """The line in service with plan and contract, and its holder: a new customer unless the region knows the person."""
    line, known = situation.line, known_customer(situation)
    contract = contract_of(situation)
    prepaid = situation.text("rating") == "prepaid"
    line = replace(
        line,
        customer_id=known or line.customer_id,
        number=number,
        status=ProductStatus.PRODUCT_STATUS_ACTIVE,
        plan_id=situation.text("plan"),
        start_time=situation.now,
        kind=kind,
        rating_type=RatingType.RATING_TYPE_PREPAID if prepaid else RatingType.RATING_TYPE_POSTPAID,
        address=situation.text("address"),
    )
    subscriptions: tuple[Subscription, ...] = ()
    if contract is not None:
        bound = contract_subscription(situation, contract, line.product_id, situation.now)
        line, subscriptions = replace(line, contract_end=bound.end_time), (bound,)
    new = CustomerRow(line.customer_id, situation.text("name"), situation.text("email"))
    return Effects(
        line,
        results={"number": number, "product_id": line.product_id},
        customer=None if known else new,
        subscriptions=subscriptions,
        identity=holder_document(situation.order.request),
    )


def _free_number(situation: Situation, pool: NumberPool) -> str:
    """A free number of a pool; empty for none. Orders begin the search at different places."""
    first, last = int(pool.first), int(pool.last)
    size = last - first + 1
    seed = int.from_bytes(hashlib.sha256(situation.order.id.encode()).digest()[:8], "big")
    for step in range(min(size, _TRIES)):
        number = f"+{first + (seed + step) % size}"
        at_home = situation.federation.number_plan.home_of(number) == situation.region
        if at_home and situation.records.is_free(number):
            return number
    return ""
