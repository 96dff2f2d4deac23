"""The customer's own view: decisions and disclosures. At the home region, one transaction each."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.rpc.pages import decode_token, first_page, key_number, page_size
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.customers.disclosures.rows import DisclosureRow, disclosures_page
from region_node.customers.rows import Line
from region_node.customers.sharing import rows
from region_node.customers.sharing.forms import require_form
from region_node.customers.sharing.operations import Call, version_of
from region_node.customers.sharing.rows import GrantRow
from region_node.customers.verified import verified_line
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner

Row = TypeVar("Row", GrantRow, DisclosureRow)
_NO_BUSINESS = LocalizedText(zh_cn="未说明办理的业务", en="no business named")
_NO_ORDER = LocalizedText(zh_cn="没有需要该材料的在办订单", en="no order under way that needs it")
_VERIFIED_IT = LocalizedText(zh_cn="该材料由其核验", en="it has verified the document")
_COMPLAINT = LocalizedText(zh_cn="投诉的办理涉及该地区", en="the complaint concerns it")
_SUPPORT = LocalizedText(zh_cn="支持请求由该地区处理", en="the support request is worked on there")
_FAULT = LocalizedText(zh_cn="障碍位于该地区", en="the fault is there")
_OF_COMPLAINTS = (
    DisclosureKind.DISCLOSURE_KIND_ATTACHMENT_READ,
    DisclosureKind.DISCLOSURE_KIND_COMPLAINT_SENT,
    DisclosureKind.DISCLOSURE_KIND_REPEAT_TOLD,
)


def list_grants(
    tx: Transaction, context: RegionContext, asked: api.ListGrantsRequest, questioner: Questioner, now: datetime
) -> api.ListGrantsResponse:
    """The decisions of a customer, newest first; the read is audited. Raises Refused as `verified_line`; Moved."""
    listing = _Listing("ListGrants", "grants", asked)
    read = partial(rows.grants_page, now=now)
    page, token = _page(tx, context, listing, read, questioner, now)
    return api.ListGrantsResponse(grants=[_grant(context, each, now) for each in page], next_page_token=token)


def list_disclosures(
    tx: Transaction, context: RegionContext, asked: api.ListDisclosuresRequest, questioner: Questioner, now: datetime
) -> api.ListDisclosuresResponse:
    """The disclosures of a customer's data, newest first; the read is audited.

    Raises Refused as `verified_line`; Moved.
    """
    listing = _Listing("ListDisclosures", "disclosures", asked)
    page, token = _page(tx, context, listing, disclosures_page, questioner, now)
    return api.ListDisclosuresResponse(disclosures=[_disclosure(context, each) for each in page], next_page_token=token)


@dataclass(frozen=True)
class _Listing:
    """A list for a customer: the RPC, the kind of its page tokens, and the request."""

    action: str
    kind: str
    asked: api.ListGrantsRequest | api.ListDisclosuresRequest = field(repr=False)


def _page(
    tx: Transaction,
    context: RegionContext,
    listing: _Listing,
    read: Callable[[Transaction, Line, int, int], Sequence[Row]],
    questioner: Questioner,
    now: datetime,
) -> tuple[Sequence[Row], str]:
    """A page of rows about the verified customer, and the token of the next page."""
    asked = listing.asked
    require_form(asked)
    size, key = page_size(asked.page_size), decode_token(listing.kind, asked.page_token)
    line = verified_line(tx, context, asked, questioner, now)
    found = read(tx, line, key_number(key) if key else 0, size + 1)
    page, token = first_page(listing.kind, found, size, lambda each: str(each.sequence))
    call = Call(questioner, asked.request_id, asked.requester.staff_id, now)
    call.record(tx, listing.action, line, f"{len(page)} read")
    return page, token


def _purpose_title(context: RegionContext, row: DisclosureRow) -> LocalizedText:
    """The printed purpose of a read; without a purpose, the reason for which it was permitted or refused."""
    if row.purpose:
        return _title(context, row.purpose)
    if row.kind == DisclosureKind.DISCLOSURE_KIND_DOCUMENT_READ:
        return _NO_ORDER if row.refused else _VERIFIED_IT
    if row.kind == DisclosureKind.DISCLOSURE_KIND_SUPPORT_SENT:
        return _SUPPORT
    if row.kind == DisclosureKind.DISCLOSURE_KIND_FAULT_SENT:
        return _FAULT
    if row.kind in _OF_COMPLAINTS:
        return _COMPLAINT
    return _NO_BUSINESS


def _title(context: RegionContext, purpose: str) -> LocalizedText:
    """The printed title of a purpose, or a business; its code after its removal from the configuration."""
    with contextlib.suppress(Refused):
        return context.federation.purpose(purpose).title
    with contextlib.suppress(Refused):
        return context.federation.business(purpose).name
    return LocalizedText(zh_cn=purpose, en=purpose)


def _grant(context: RegionContext, row: GrantRow, now: datetime) -> api.Grant:
    decided = row.decided
    grant = api.Grant(
        id=decided.grant_id,
        reader=decided.reader,
        purpose=decided.purpose,
        purpose_title=_title(context, decided.purpose),
        fields=sorted(decided.fields),
        state=decided.state(
            now, is_newest=row.is_newest, text_version=version_of(context, decided.purpose, decided.reader)
        ),
        start_time=to_timestamp(decided.start),
        record_time=to_timestamp(row.recorded),
        evidence=row.evidence,
        text_version=decided.text_version,
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
        purpose_title=_purpose_title(context, row),
        legal_basis=row.legal_basis,
        grant_id=row.grant_id,
        shown=row.shown,
        masked=row.masked,
        refused=row.refused,
        particulars=row.particulars,
    )
