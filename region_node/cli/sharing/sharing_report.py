"""Shared records, decisions and disclosures as tables."""

import click

from gateway.api.federation.v1.configuration_pb2 import ConsentMethod, LegalBasis, Purpose, WithoutGrant
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2 import GrantState
from gateway.cli.table import Table, TableColumn
from gateway.errors import reason_name
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.sharing import disclosed, shared_fields, shared_value, who_looked, word_of_mask
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word


def print_record(answer: api.ReadSharedCustomerResponse) -> None:
    """Prints a record, or the reason of its denial."""
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
    _VALUES.show(record.values)


def print_consent(answer: api.GiveConsentResponse) -> None:
    """Prints a recorded consent."""
    click.echo(
        translated(
            "Recorded as {id}, from {start} until {end}",
            id=answer.grant_id,
            start=told_if_set(answer.start_time),
            end=told_if_set(answer.end_time) or translated("further notice"),
        )
    )


def print_withdrawal(answer: api.WithdrawConsentResponse) -> None:
    """Prints a withdrawal."""
    click.echo(translated("Withdrawn at {time}", time=told_if_set(answer.withdraw_time)))
    for grant_id in answer.grant_ids:
        click.echo(f"  {grant_id}")


def print_confirmed(answer: api.ConfirmConsentResponse) -> None:
    """Prints the consents about which the customer's word was recorded."""
    click.echo(translated("Recorded for:") if answer.grant_ids else translated("Recorded before"))
    for grant_id in answer.grant_ids:
        click.echo(f"  {grant_id}")


def _basis(disclosure: api.Disclosure) -> str:
    """The legal basis, and its ground."""
    basis, particulars = _basis_word(disclosure.legal_basis), disclosure.particulars
    ground = particulars.reference or particulars.order_id
    return f"{basis}: {ground}" if basis and ground else basis


def _given(evidence: api.ConsentEvidence) -> str:
    how = evidence.paper or "+".join(evidence.verified)
    return f"{value_word(ConsentMethod.DESCRIPTOR, evidence.method)}: {how}"


def _basis_word(basis: LegalBasis.ValueType) -> str:
    return value_word(LegalBasis.DESCRIPTOR, basis)


def _days(purpose: Purpose) -> str:
    return str(purpose.longest_grant.ToTimedelta().days) if purpose.HasField("longest_grant") else ""


PURPOSES = Table[Purpose](
    TableColumn("purpose", lambda each: each.name),
    TableColumn("what people call it", lambda each: in_language(each.title)),
    TableColumn("fields", lambda each: shared_fields(each.fields)),
    TableColumn("legal basis", lambda each: enumerated(_basis_word(basis) for basis in each.legal_bases)),
    TableColumn("without a grant", lambda each: value_word(WithoutGrant.DESCRIPTOR, each.without_grant)),
    TableColumn("days at most", _days),
    TableColumn("legal source", lambda each: each.source),
)
"""The table of purposes."""
GRANTS = Table[api.Grant](
    TableColumn("recorded", lambda each: told_if_set(each.record_time)),
    TableColumn("region", lambda each: each.reader),
    TableColumn("purpose", lambda each: in_language(each.purpose_title)),
    TableColumn("state", lambda each: value_word(GrantState.DESCRIPTOR, each.state)),
    TableColumn("until", lambda each: told_if_set(each.end_time)),
    TableColumn("fields", lambda each: shared_fields(each.fields)),
    TableColumn("given", lambda each: _given(each.evidence)),
    TableColumn("grant", lambda each: each.id),
)
"""The table of a customer's decisions."""
DISCLOSURES = Table[api.Disclosure](
    TableColumn("time", lambda each: told_if_set(each.time)),
    TableColumn("what", disclosed),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("who", who_looked),
    TableColumn("purpose", lambda each: in_language(each.purpose_title)),
    TableColumn("legal basis", _basis),
    TableColumn("seen", lambda each: shared_fields(each.shown)),
    TableColumn("seen masked", lambda each: shared_fields(each.masked)),
    TableColumn("refused", lambda each: reason_name(each.refused) if each.refused else ""),
    TableColumn("grant", lambda each: each.grant_id),
)
"""The table of disclosures."""
_VALUES = Table[api.SharedValue](
    TableColumn("field", lambda each: shared_fields([each.field])),
    TableColumn("value", shared_value),
    TableColumn("why it is masked", lambda each: word_of_mask(each.masked)),
)
