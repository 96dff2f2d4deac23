"""Making and ending agreements, and noting outages by hand; one transaction each."""

from datetime import datetime

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import Agreement, OutageCause, ServiceOutage
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, invalid
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.billing.rules import Month
from region_node.customers.operations import readable_line
from region_node.customers.rows import Line
from region_node.customers.status import require_at_home
from region_node.network.agreements.announced import tell_announced
from region_node.network.agreements.outages import note_outage
from region_node.network.agreements.rows import (
    end_agreement,
    in_force,
    insert_agreement,
    next_agreement_number,
    require_agreement,
)
from region_node.node.context import RegionContext

MOST_MINOR_UNITS = 10**12  # of one month's charge
_BY_HAND = frozenset(
    {
        OutageCause.OUTAGE_CAUSE_OPERATOR,
        OutageCause.OUTAGE_CAUSE_CUSTOMER,
        OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
    }
)


def create(
    tx: Transaction, context: RegionContext, staff_id: str, asked: api.CreateAgreementRequest, now: datetime
) -> Agreement:
    """Makes an agreement by the current terms of a template. The customer gets notices of planned outages.

    Raises Refused with NETWORK_SERVICE_UNKNOWN, AGREEMENT_TEMPLATE_UNKNOWN, SUBSCRIPTION_NOT_FOUND, LINE_CLOSED or
    AGREEMENT_EXISTS. Raises Refused for a start before the current month.
    """
    federation = context.federation
    federation.network.service(asked.service)
    terms = federation.agreement_template(asked.template)
    line = _line(tx, context, asked.number)
    if line.is_closed:
        raise Refused(Reason.REASON_LINE_CLOSED)
    start = from_timestamp(asked.start_time) if asked.HasField("start_time") else now
    if start < Month.at(now, context.time_zone).start:
        raise invalid("start_time", "before the running month", "早于本月")
    existing = in_force(tx, line.product_id, asked.service, start)
    if existing is not None:
        raise Refused(Reason.REASON_AGREEMENT_EXISTS, agreement=existing)
    number = next_agreement_number(tx)
    agreement = Agreement(
        id=f"{context.region}/agreement-{number}",
        number=line.number,
        customer_id=line.customer_id,
        product_id=line.product_id,
        service=asked.service,
        terms=terms,
        monthly_charge=_charge(context, line, asked),
        start_time=to_timestamp(start),
        staff_id=staff_id,
    )
    insert_agreement(tx, agreement, number)
    tell_announced(tx, context, asked.service, line, start, now)
    return agreement


def end(tx: Transaction, context: RegionContext, asked: api.EndAgreementRequest, now: datetime) -> Agreement:
    """Ends an agreement at a time that has not passed.

    Raises Refused with AGREEMENT_NOT_FOUND or AGREEMENT_ENDED, and for a customer who leaves as `require_at_home`.
    """
    agreement = require_agreement(tx, asked.agreement_id)
    require_at_home(tx, agreement.customer_id)
    if agreement.HasField("end_time"):
        raise Refused(Reason.REASON_AGREEMENT_ENDED, agreement=agreement.id)
    end_time = from_timestamp(asked.end_time) if asked.HasField("end_time") else now
    if end_time < now:
        raise invalid("end_time", "has passed", "时间已过")
    agreement.end_time.CopyFrom(to_timestamp(max(end_time, from_timestamp(agreement.start_time))))
    end_agreement(tx, agreement)
    return agreement


def noted(context: RegionContext, staff_id: str, asked: api.NoteOutageRequest) -> ServiceOutage:
    """The outage that a request of a member of staff is about."""
    return ServiceOutage(
        source=f"{context.region}/noted/{staff_id}/{asked.request_id}",
        service=asked.service,
        region=context.region,
        start_time=asked.start_time,
        end_time=asked.end_time,
        cause=asked.cause,
        agreement_id=asked.agreement_id,
        version=1,
    )


def note(
    tx: Transaction, context: RegionContext, staff_id: str, asked: api.NoteOutageRequest, now: datetime
) -> ServiceOutage:
    """Stores an outage reported by a member of staff. Raises Refused as `note_outage`, and for a future outage."""
    if asked.cause not in _BY_HAND:
        raise invalid("cause", "not one to be noted by hand", "不能人工登记此原因")
    if asked.agreement_id and require_agreement(tx, asked.agreement_id).service != asked.service:
        raise invalid("service", "not that of the agreement", "与协议的服务不符")
    if asked.end_time.seconds > to_timestamp(now).seconds:
        raise invalid("end_time", "has not passed yet", "时间尚未到")
    outage = noted(context, staff_id, asked)
    note_outage(tx, context, outage, now)
    return outage


def _line(tx: Transaction, context: RegionContext, number: str) -> Line:
    try:
        return readable_line(tx, context.federation, context.region, number, asking=context.region)
    except Moved:
        raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND) from None


def _charge(context: RegionContext, line: Line, asked: api.CreateAgreementRequest) -> Money:
    """The requested charge, or the rent of the line's plan."""
    if not asked.HasField("monthly_charge"):
        return context.federation.plan(line.plan_id).monthly_rent
    charge = asked.monthly_charge
    if charge.currency != context.currency or not 0 < charge.minor_units <= MOST_MINOR_UNITS:
        raise invalid(
            "monthly_charge",
            f"not 1 to {MOST_MINOR_UNITS} of {context.currency}",
            f"须为1至{MOST_MINOR_UNITS}，币种{context.currency}",
        )
    return charge
