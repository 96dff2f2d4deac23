"""Shared records, decisions and disclosures as tables."""

from collections.abc import Iterable

import click

from gateway.api.federation.v1.configuration_pb2 import ConsentMethod, LegalBasis, SharedField, WithoutGrant
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, GrantState, MaskReason
from gateway.errors import reason_name
from gateway.languages import in_language, translated
from gateway.money import in_major_units
from gateway.terminal import print_table
from gateway.terms import region_name
from gateway.times import told_if_set
from gateway.words import word

# Fields whose texts are values of an enum of the contract.
_ENUMS = {SharedField.SHARED_FIELD_STATUS: "PRODUCT_STATUS_", SharedField.SHARED_FIELD_LINE_KIND: "LINE_KIND_"}


def print_purposes(answer: api.ListPurposesResponse) -> None:
    """What records are shared for."""
    columns = [
        translated("purpose"),
        translated("what people call it"),
        translated("fields"),
        translated("legal basis"),
        translated("without a grant"),
        translated("days at most"),
        translated("legal source"),
    ]
    rows = [
        [
            each.name,
            in_language(each.title),
            _fields(each.fields),
            ", ".join(word(LegalBasis.Name(basis), "LEGAL_BASIS_") for basis in each.legal_bases),
            word(WithoutGrant.Name(each.without_grant), "WITHOUT_GRANT_"),
            str(each.longest_grant.ToTimedelta().days) if each.HasField("longest_grant") else "",
            each.source,
        ]
        for each in answer.purposes
    ]
    print_table(columns, rows)


def print_record(answer: api.ReadSharedCustomerResponse) -> None:
    """A record, or why there is none."""
    if answer.HasField("refusal"):
        refusal = answer.refusal
        click.echo(
            translated(
                "Refused: {problem} ({reason})",
                problem=in_language(refusal.message),
                reason=reason_name(refusal.reason),
            )
        )
        return
    record = answer.record
    click.echo(
        translated(
            "From {region}, for {purpose} alone; grant: {grant}",
            region=region_name(record.region),
            purpose=record.purpose,
            grant=record.grant_id or translated("none"),
        )
    )
    columns = [translated("field"), translated("value"), translated("why it is masked")]
    rows = [
        [word(SharedField.Name(each.field), "SHARED_FIELD_"), _value(each), word_of_mask(each.masked)]
        for each in record.values
    ]
    print_table(columns, rows)


def print_consent(answer: api.GiveConsentResponse) -> None:
    """What was recorded."""
    click.echo(
        translated(
            "Recorded as {id}, from {start} until {end}",
            id=answer.grant_id,
            start=told_if_set(answer.start_time),
            end=told_if_set(answer.end_time) or translated("further notice"),
        )
    )


def print_withdrawal(answer: api.WithdrawConsentResponse) -> None:
    """What was withdrawn."""
    click.echo(translated("Withdrawn at {time}", time=told_if_set(answer.withdraw_time)))
    for grant_id in answer.grant_ids:
        click.echo(f"  {grant_id}")


def print_grants(answer: api.ListGrantsResponse) -> None:
    """What a customer decided."""
    columns = [
        translated("recorded"),
        translated("region"),
        translated("purpose"),
        translated("state"),
        translated("until"),
        translated("fields"),
        translated("given"),
        translated("grant"),
    ]
    rows = [
        [
            told_if_set(each.record_time),
            each.reader,
            in_language(each.purpose_title),
            word(GrantState.Name(each.state), "GRANT_STATE_"),
            told_if_set(each.end_time),
            _fields(each.fields),
            _given(each.evidence),
            each.id,
        ]
        for each in answer.grants
    ]
    print_table(columns, rows)


def print_disclosures(answer: api.ListDisclosuresResponse) -> None:
    """Who saw what of a customer."""
    columns = [
        translated("time"),
        translated("what"),
        translated("region"),
        translated("who"),
        translated("purpose"),
        translated("legal basis"),
        translated("seen"),
        translated("seen masked"),
        translated("refused"),
        translated("grant"),
    ]
    rows = [
        [
            told_if_set(each.time),
            _what(each),
            region_name(each.region),
            _who(each),
            in_language(each.purpose_title),
            _basis(each),
            _fields(each.shown),
            _fields(each.masked),
            reason_name(each.refused) if each.refused else "",
            each.grant_id,
        ]
        for each in answer.disclosures
    ]
    print_table(columns, rows)


def word_of_mask(mask: MaskReason.ValueType) -> str:
    """Why a field is masked; empty where it is not."""
    return word(MaskReason.Name(mask), "MASK_REASON_") if mask else ""


def _value(value: api.SharedValue) -> str:
    if value.HasField("amount"):
        return in_major_units(value.amount.minor_units, value.amount.currency)
    if value.HasField("time"):
        return told_if_set(value.time)
    prefix = _ENUMS.get(value.field)
    texts = [word(each, prefix) for each in value.texts] if prefix else value.texts
    return ", ".join(texts) or ("***" if value.masked else "")


def _what(disclosure: api.Disclosure) -> str:
    """What happened, and to which bill or document."""
    happened = word(DisclosureKind.Name(disclosure.kind), "DISCLOSURE_KIND_")
    record = disclosure.particulars.record
    return f"{happened}: {record}" if record else happened


def _who(disclosure: api.Disclosure) -> str:
    """The system and the person behind it; of staff the person alone."""
    if disclosure.operator.startswith("staff/"):
        return disclosure.operator
    return f"{disclosure.operator}/{disclosure.particulars.requester.staff_id}"


def _basis(disclosure: api.Disclosure) -> str:
    """By what right, and what it rests on."""
    basis, particulars = word(LegalBasis.Name(disclosure.legal_basis), "LEGAL_BASIS_"), disclosure.particulars
    ground = particulars.reference or particulars.order_id
    return f"{basis}: {ground}" if basis and ground else basis


def _fields(fields: Iterable[SharedField.ValueType]) -> str:
    return ", ".join(word(SharedField.Name(each), "SHARED_FIELD_") for each in fields)


def _given(evidence: api.ConsentEvidence) -> str:
    how = evidence.paper or "+".join(evidence.verified)
    return f"{word(ConsentMethod.Name(evidence.method), 'CONSENT_METHOD_')}: {how}"
