"""Reading shared records, and deciding about it, at the home region: one transaction each."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, LineKind, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, SharedValue
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, reason_name, text
from gateway.relay.border import Moved
from gateway.security.duty_statements import DutyProofs
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from gateway.values.names import name_of
from region_node.customers.accounts import ledger
from region_node.customers.contact_preferences import preferences_of, told_preferences
from region_node.customers.disclosures.recording import count
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure
from region_node.customers.moved_numbers import home_elsewhere
from region_node.customers.rows import Line, find_customer, find_line
from region_node.customers.sharing import rows
from region_node.customers.sharing.duty_readings import over_limit, proofs_of
from region_node.customers.sharing.forms import require_claimant, require_form
from region_node.customers.sharing.rules import (
    CLEAR,
    Denied,
    Field,
    Known,
    Reading,
    Shown,
    asked_fields,
    judge,
    require_basis,
    text_version,
    told_values,
)
from region_node.customers.status import RESTRICTED, status_of
from region_node.customers.subscriptions import subscriptions_of
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner
from region_node.requests.dealings import Dealer, require_few_unknown


@dataclass(frozen=True)
class Call:
    """The caller, its request, and the time."""

    questioner: Questioner
    request_id: str
    staff_id: str
    now: datetime

    @property
    def subject(self) -> str:
        """The request's subject between regions."""
        return self.questioner.subject(self.request_id)

    def record(self, tx: Transaction, action: str, line: Line | None, what: str) -> None:
        """Adds the audit row; `what` carries no personal data."""
        audited = AuditedCall(self.questioner.path, self.staff_id, self.now, self.questioner.proof)
        audited.record(tx, action, "-" if line is None else line.customer_id, f"{self.subject}: {what}")


def find_own_line(tx: Transaction, context: RegionContext, number: str) -> Line | None:
    """The line with a number, if its customer was not erased.

    Raises Moved where the number plan names another region.
    """
    line = find_line(tx, number)
    owner = home_elsewhere(tx, context.federation, context.region, number, has_line=line is not None)
    if owner is not None:
        raise Moved(owner)
    return line


def read_shared(
    tx: Transaction, context: RegionContext, asked: api.ReadSharedCustomerRequest, questioner: Questioner, now: datetime
) -> api.ReadSharedCustomerResponse:
    """The data of one of this region's customers for a purpose.

    The same transaction checks, reads, audits, counts and notes the disclosure. The number is in E.164. Raises Refused
    for the form, and for an own caller as `require_few_unknown`; Moved where the number belongs to another region.
    """
    require_form(asked)
    is_own = questioner.region == context.region
    if is_own:  # another region learns of no number
        require_few_unknown(context, Dealer(questioner.region, questioner.caller, asked.requester.staff_id), now)
    purpose = context.federation.purpose(asked.purpose)
    require_claimant(asked.legal_basis, questioner)
    require_basis(purpose, asked.legal_basis, asked.order_id, asked.reference)
    is_duty = asked.legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY
    proofs = proofs_of(context, asked, questioner, now) if is_duty and not is_own else None
    reading_fields = asked_fields(purpose, asked.fields)
    line = find_own_line(tx, context, asked.number)
    known = None if line is None else _known(tx, context, asked, questioner, line)
    has_decisions = known is not None and bool(known.decisions)
    reading = Reading(
        home=context.region,
        reader=questioner.region,
        purpose=purpose,
        legal_basis=asked.legal_basis,
        fields=reading_fields,
        now=now,
        known=known,
        without_agreement=context.federation.without_agreement((questioner.region, context.region), now),
        text_version=version_of(context, purpose.name, questioner.region) if has_decisions else "",
        zone=ZoneInfo(context.time_zone),
    )
    found = judge(reading)
    if is_duty and not reading.without_agreement:
        found = over_limit(tx, context, questioner.region, now, proven=proofs is not None) or found
    proven = questioner if proofs is None else replace(questioner, proof=proofs.first.told)
    call = Call(proven, asked.request_id, asked.requester.staff_id, now)
    basis = said_basis(LegalBasis.Name(asked.legal_basis), asked, proofs)
    if is_duty and not is_own and proofs is None:
        basis = f"{basis}, unproven"
    row = _note_reading(tx, call, asked, line, found, basis)
    is_told = is_own and line is None  # that nobody has the number
    count(tx, row, refused=Reason.REASON_SUBSCRIPTION_NOT_FOUND if is_told else row.refused)
    if isinstance(found, Denied):
        return api.ReadSharedCustomerResponse(refusal=refusal_of(found))
    values = {} if line is None else _values(tx, context, line, reading_fields)
    record = api.SharedRecord(
        region=context.region,
        purpose=purpose.name,
        legal_basis=asked.legal_basis,
        grant_id=found.grant_id,
        values=told_values(found, asked.number, values),
        read_time=to_timestamp(now),
    )
    return api.ReadSharedCustomerResponse(record=record)


def version_of(context: RegionContext, purpose: str, reader: str) -> str:
    """The version of today's consent text.

    Empty where the purpose or the region has left the configuration, so that nothing is read.
    """
    with contextlib.suppress(Refused):
        return text_version(context.federation.purpose(purpose), context.federation.region(reader))
    return ""


def said_basis(basis: str, asked: api.ReadSharedCustomerRequest, proofs: DutyProofs | None = None) -> str:
    """The name of a legal basis in the audit chain: for a duty with the file number and the second person."""
    said = f"{basis} {asked.reference}" if asked.reference else basis
    second = f"staff {asked.approver_staff_id}" if proofs is None else proofs.second.told
    return f"{said}: confirmed by {second}" if asked.approver_staff_id else said


def refusal_of(denied: Denied) -> api.SharingRefusal:
    """The answer of a denial, without other data."""
    refusal = api.SharingRefusal(reason=denied.reason, message=text(denied.reason, denied.parameters))
    if denied.not_until is not None:
        refusal.earliest_time.CopyFrom(to_timestamp(denied.not_until))
    return refusal


def _known(
    tx: Transaction, context: RegionContext, asked: api.ReadSharedCustomerRequest, questioner: Questioner, line: Line
) -> Known:
    return Known(
        decisions=rows.decisions_of(tx, line, questioner.region),
        has_order=_has_order(tx, context, asked, questioner),
        restricted=status_of(tx, line.customer_id) == RESTRICTED,
    )


def _has_order(
    tx: Transaction, context: RegionContext, asked: api.ReadSharedCustomerRequest, questioner: Questioner
) -> bool:
    """Whether the order is the calling region's, about that number, and in progress here."""
    if not asked.order_id:
        return False
    return any(each.id == asked.order_id for each in context.orders_under_way(tx, questioner.region, asked.number))


def _note_reading(
    tx: Transaction,
    call: Call,
    asked: api.ReadSharedCustomerRequest,
    line: Line | None,
    found: Shown | Denied,
    basis: str,
) -> DisclosureRow:
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_READ,
        time=call.now,
        region=call.questioner.region,
        operator=call.questioner.caller,
        purpose=asked.purpose,
        legal_basis=asked.legal_basis,
        particulars=api.DisclosureParticulars(
            requester=asked.requester,
            order_id=asked.order_id,
            reference=asked.reference,
            approver_staff_id=asked.approver_staff_id,
        ),
    )
    if isinstance(found, Denied):
        row, outcome = replace(row, refused=found.reason), reason_name(found.reason)
    else:
        shown = [each for each, mask in found.fields.items() if mask == CLEAR]
        masked = [each for each, mask in found.fields.items() if mask != CLEAR]
        row = replace(row, grant_id=found.grant_id, shown=shown, masked=masked)
        outcome = f"{len(shown)} shown, {len(masked)} masked"
    call.record(tx, "ReadSharedCustomer", line, f"{asked.purpose}, {basis}: {outcome}")
    if line is not None:
        note_disclosure(tx, line, row)
    return row


def _values(tx: Transaction, context: RegionContext, line: Line, fields: Sequence[Field]) -> dict[Field, SharedValue]:
    """The requested fields of a line and its customer, unmasked. Other fields are not read."""
    return {each: _value(tx, context, line, each) for each in fields}


def _value(tx: Transaction, context: RegionContext, line: Line, which: Field) -> SharedValue:
    match which:
        case SharedField.SHARED_FIELD_NAME | SharedField.SHARED_FIELD_EMAIL:
            customer = find_customer(tx, line.customer_id)
            if customer is None:
                raise ValueError(f"line {line.product_id} has no customer")
            return _text(customer.name if which == SharedField.SHARED_FIELD_NAME else customer.email)
        case SharedField.SHARED_FIELD_SUBSCRIPTIONS:
            held = subscriptions_of(tx, line.product_id)
            return SharedValue(texts=[each.offering_id for each in held if each.end_time is None])
        case SharedField.SHARED_FIELD_CONTACT_PREFERENCES:
            return SharedValue(texts=told_preferences(preferences_of(tx, line.customer_id)))
        case SharedField.SHARED_FIELD_BALANCE:
            balance = ledger.balance(tx, line.account_id)
            return SharedValue(amount=Money(minor_units=balance, currency=context.currency))
        case _:
            return _line_value(line, which)


# Neither has the fields of a later version, which may stand in the configuration.
_TEXTS: Mapping[Field, Callable[[Line], str]] = {
    SharedField.SHARED_FIELD_NUMBER: lambda line: line.number,
    SharedField.SHARED_FIELD_ADDRESS: lambda line: line.address,
    SharedField.SHARED_FIELD_STATUS: lambda line: name_of(ProductStatus, line.status),
    SharedField.SHARED_FIELD_LINE_KIND: lambda line: name_of(LineKind, line.kind or LineKind.LINE_KIND_MOBILE),
    SharedField.SHARED_FIELD_PLAN: lambda line: line.plan_id,
    SharedField.SHARED_FIELD_BINDING: lambda line: line.binding,
    SharedField.SHARED_FIELD_SUSPENSION: lambda line: line.suspension_reason,
}
_TIMES: Mapping[Field, Callable[[Line], datetime | None]] = {
    SharedField.SHARED_FIELD_START_DATE: lambda line: line.start_time,
    SharedField.SHARED_FIELD_CONTRACT_END_DATE: lambda line: line.contract_end,
    SharedField.SHARED_FIELD_SIM_REPLACE_DATE: lambda line: line.sim_replaced,
}


def _line_value(line: Line, which: Field) -> SharedValue:
    if which in _TEXTS:
        return _text(_TEXTS[which](line))
    time = _TIMES[which](line) if which in _TIMES else None
    return SharedValue() if time is None else SharedValue(time=to_timestamp(time))


def _text(value: str) -> SharedValue:
    return SharedValue(texts=[value] if value else [])
