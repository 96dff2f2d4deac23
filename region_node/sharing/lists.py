"""The customer's own view: what was decided, and who saw what. At the home region, one transaction each."""

from datetime import datetime

from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.clock import to_timestamp
from gateway.errors import Refused
from gateway.pages import decode_token, encode_token, key_number, page_size
from gateway.store.port import Transaction
from region_node.context import RegionContext
from region_node.customers.verified import verified_line
from region_node.requests import Questioner
from region_node.sharing import rows
from region_node.sharing.forms import require_form
from region_node.sharing.operations import Call
from region_node.sharing.rows import DisclosureRow, GrantRow

_GRANTS, _DISCLOSURES = "grants", "disclosures"


def list_grants(
    tx: Transaction, context: RegionContext, asked: api.ListGrantsRequest, questioner: Questioner, now: datetime
) -> api.ListGrantsResponse:
    """What a customer decided, newest first; the reading is audited. Raises Refused as `verified_line`; Moved."""
    require_form(asked)
    size, before = page_size(asked.page_size), _place(_GRANTS, asked.page_token)
    line = verified_line(tx, context, asked, questioner, now)
    found = rows.grants_page(tx, line, before, size + 1)
    page = found[:size]
    _call(asked, questioner, now).record(tx, "ListGrants", line, f"{len(page)} read")
    return api.ListGrantsResponse(
        grants=[_grant(context, each, now) for each in page],
        next_page_token=encode_token(_GRANTS, str(page[-1].sequence)) if len(found) > size else "",
    )


def list_disclosures(
    tx: Transaction, context: RegionContext, asked: api.ListDisclosuresRequest, questioner: Questioner, now: datetime
) -> api.ListDisclosuresResponse:
    """Who saw what of a customer, newest first; the reading is audited. Raises Refused as `verified_line`; Moved."""
    require_form(asked)
    size, before = page_size(asked.page_size), _place(_DISCLOSURES, asked.page_token)
    line = verified_line(tx, context, asked, questioner, now)
    found = rows.disclosures_page(tx, line, before, size + 1)
    page = found[:size]
    _call(asked, questioner, now).record(tx, "ListDisclosures", line, f"{len(page)} read")
    return api.ListDisclosuresResponse(
        disclosures=[_disclosure(context, each) for each in page],
        next_page_token=encode_token(_DISCLOSURES, str(page[-1].sequence)) if len(found) > size else "",
    )


def _call(asked: api.ListGrantsRequest | api.ListDisclosuresRequest, questioner: Questioner, now: datetime) -> Call:
    return Call(questioner, asked.request_id, asked.requester.staff_id, now)


def _place(kind: str, token: str) -> int:
    key = decode_token(kind, token)
    return key_number(key) if key else 0


def _title(context: RegionContext, purpose: str) -> LocalizedText:
    """What people call a purpose; its name where it has left the configuration."""
    try:
        return context.federation.purpose(purpose).title
    except Refused:
        return LocalizedText(zh_cn=purpose, en=purpose)


def _grant(context: RegionContext, row: GrantRow, now: datetime) -> api.Grant:
    decided = row.decided
    grant = api.Grant(
        id=decided.grant_id,
        reader=decided.reader,
        purpose=decided.purpose,
        purpose_title=_title(context, decided.purpose),
        fields=sorted(decided.fields),
        state=decided.state(now, is_newest=row.is_newest),
        start_time=to_timestamp(decided.start),
        record_time=to_timestamp(row.recorded),
        evidence=row.evidence,
    )
    if decided.end is not None:
        grant.end_time.CopyFrom(to_timestamp(decided.end))
    if decided.withdrawn is not None:
        grant.withdraw_time.CopyFrom(to_timestamp(decided.withdrawn))
    return grant


def _disclosure(context: RegionContext, row: DisclosureRow) -> api.Disclosure:
    return api.Disclosure(
        kind=row.kind,
        time=to_timestamp(row.time),
        region=row.region,
        operator=row.operator,
        purpose=row.purpose,
        purpose_title=_title(context, row.purpose),
        legal_basis=row.legal_basis,
        grant_id=row.grant_id,
        shown=row.shown,
        masked=row.masked,
        refused=row.refused,
        particulars=row.particulars,
    )
