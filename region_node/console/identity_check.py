"""The page of a customer of any region whose identity a code has proven, each part by its RPC.

It has bills, orders, complaints, consents and disclosures.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest
from gateway.api.region.v1.complaint_service_pb2 import (
    GetComplaintRequest,
    ListComplaintsRequest,
    ListComplaintsResponse,
)
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ListOrdersResponse
from gateway.api.region.v1.sharing_service_pb2 import (
    ListDisclosuresRequest,
    ListDisclosuresResponse,
    ListGrantsRequest,
    ListGrantsResponse,
)
from gateway.api.region.v1.verification_service_pb2 import (
    SendCodeRequest,
    SendCodeResponse,
    VerifyRequest,
    VerifyResponse,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import Refused, invalid, is_temporary
from gateway.values import base64url
from gateway.web.console.entries import Entry, Field, entry
from gateway.web.console.frames import Link
from gateway.web.console.pages import Calling, Form, Shown, View, Visit, unless_refused
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.business.billing.rules import Month
from region_node.console import complaint, complaints, orders, rpcs
from region_node.console.bills import bill_lines, bills_by_month
from region_node.console.lists import NUMBER, zone_of
from region_node.console.sections import Content, Section, notes_of, section, tables_of
from region_node.console.sharing import consents, disclosures
from region_node.console.words import CUSTOMERS, IDENTITY_CHECK, MONTH

PATH = IDENTITY_CHECK
_CHECK, _PROOF, _LOOKS, _CODE, _CONTACT = "check", "proof", "looks", "code", "contact"
_SEND, _VERIFY = "send-code", "verify"
_MONTHS = 13  # at most; the policy `bills-kept` says which of them there are
_MOST = 50  # rows of a list that stands here alone
_LISTED = 10  # orders, and complaints, which have pages of their own
_DIGITS = 6  # of a code
_NUMBER_LENGTH = 32  # characters, of a number or its mask


@dataclass(frozen=True)
class _Found:
    """The answers about a customer whose identity is proven."""

    bills: Sequence[Bill] | Refused = field(repr=False)
    """The newest first."""
    orders: ListOrdersResponse | Refused = field(repr=False)
    gone: Collection[str] = field(repr=False)
    """The ticket ids in the bill of the chosen month whose complaints this region does not have."""
    complaints: ListComplaintsResponse | Refused = field(repr=False)
    grants: ListGrantsResponse | Refused = field(repr=False)
    disclosures: ListDisclosuresResponse | Refused = field(repr=False)


@dataclass(frozen=True)
class _Page:
    """The page as `identity_check.html.j2` shows it."""

    number: str = field(repr=False)
    back: Link
    hints: Sequence[str]
    entries: Sequence[Entry]
    sections: Sequence[Section]


def _documents(visit: Visit) -> Sequence[Document]:
    """The documents that the home region has attested for the request in the address; none before.

    They stand in the address, because they count for this person and this request alone. Raises Refused for other text.
    """
    said = visit.query.text(_PROOF)
    try:
        return VerifyResponse.FromString(base64url.decoded(said)).documents
    except (DecodeError, ValueError):
        raise invalid(_PROOF, "is no proof of this page", "不是本页面的验证凭据") from None


def _requester(visit: Visit) -> Requester:
    return Requester(staff_id=visit.person.name, channel=Channel.CHANNEL_COUNTER)


async def _read(visit: Visit, calling: Calling) -> _Found | None:
    documents = _documents(visit)
    if not documents:
        return None
    number, check, requester = visit.query.text(NUMBER), visit.query.text(_CHECK), _requester(visit)
    holder = Applicant.APPLICANT_HOLDER
    bill = QueryBillRequest(number=number, applicant=holder, documents=documents, requester=requester, request_id=check)
    grants = ListGrantsRequest(
        request_id=check, number=number, applicant=holder, documents=documents, requester=requester, page_size=_MOST
    )
    looks = ListDisclosuresRequest(
        request_id=check,
        number=number,
        applicant=holder,
        documents=documents,
        requester=requester,
        page_size=_MOST,
        page_token=visit.query.text(_LOOKS),
    )
    bills = await _bills(visit, calling, bill)
    return _Found(
        bills,
        await unless_refused(calling.ask(rpcs.LIST_ORDERS, ListOrdersRequest(number=number, page_size=_LISTED))),
        await _gone(calling, _chosen(visit, bills)),
        await unless_refused(
            calling.ask(rpcs.LIST_COMPLAINTS, ListComplaintsRequest(number=number, page_size=_LISTED))
        ),
        await unless_refused(calling.ask(rpcs.LIST_GRANTS, grants)),
        await unless_refused(calling.ask(rpcs.LIST_DISCLOSURES, looks)),
    )


async def _bills(visit: Visit, calling: Calling, request: QueryBillRequest) -> Sequence[Bill] | Refused:
    """The bills from the present month back to the oldest that is kept, or the refusal of one.

    A question too many counts as a failure of the person at home: only a home that names no month before needs it.
    """
    month = Month.at(visit.now, await zone_of(visit, calling))
    found: list[Bill] = []
    for _ in range(_MONTHS):
        request.month = month.name
        answer = await unless_refused(calling.ask(rpcs.QUERY_BILL, request))
        if isinstance(answer, Refused):
            is_end = found and answer.reason == Reason.REASON_BILL_OUT_OF_RANGE
            return found if is_end else answer
        found.append(answer.bill)
        if found[0].previous_month and not answer.bill.previous_month:
            return found
        month = month.before(1)
    return found


def _chosen(visit: Visit, bills: Sequence[Bill] | Refused) -> Bill | None:
    """The bill of the month in the address; None without one."""
    month = visit.query.text(MONTH)
    kept = () if isinstance(bills, Refused) else bills
    return next((each for each in kept if each.month == month), None)


async def _gone(calling: Calling, bill: Bill | None) -> Collection[str]:
    """The complaints that a bill names and this region does not have: another region does, or nobody any more."""
    named = dict.fromkeys(each.ticket_id for each in (() if bill is None else bill.lines) if each.ticket_id)
    found = set()
    for ticket_id in list(named)[:_LISTED]:
        answer = await unless_refused(calling.ask(rpcs.GET_COMPLAINT, GetComplaintRequest(ticket_id=ticket_id)))
        if isinstance(answer, Refused) and not is_temporary(answer.reason):
            found.add(ticket_id)
    return found


def _show(visit: Visit, found: _Found | None) -> Shown:
    number = visit.query.text(NUMBER)
    page = _Page(
        number=number,
        back=Link(translated("Back to the customer"), visit.address(CUSTOMERS, number=number)),
        hints=[
            translated(
                "The code counts for you and for some minutes. The customer reads it out. Disclosures are readings of"
                " shared records, and other regions' readings of bills, profiles and documents."
            ),
            translated("By the catalogue a bill needs an identity document on file, too."),
            translated(
                "A code to another contact shows that the customer calls, and opens neither bills nor consents: by it,"
                " staff speak for the customer of an order that waits."
            ),
            translated(
                "Of a customer of this region, orders are those of all regions; of another one, those that this region"
                " took in. Complaints are those that this region took in or decides."
            ),
        ],
        entries=_entries(visit),
        sections=[] if found is None else list(_sections(visit, found)),
    )
    tables, notes = tables_of(page.sections), notes_of(page.sections)
    return Shown("identity_check.html.j2", translated("Identity check"), page, CUSTOMERS, tables, notes)


def _entries(visit: Visit) -> Sequence[Entry]:
    """The forms: a code is sent, and the one that the customer has read out is checked."""
    label = translated("Another contact instead of the line (number, or 138****1234)")
    contact = Field(_CONTACT, "line", label, longest=_NUMBER_LENGTH, is_required=False)
    send = entry(visit, _SEND, translated("Send a code to the customer"), translated("Send"), [contact])
    code = Field(_CODE, "number", translated("Code"), longest=_DIGITS)
    check = entry(visit, _VERIFY, translated("Check the code"), translated("Check"), [code])
    is_sent = visit.query.text(_CHECK) and not visit.query.text(_PROOF)
    return [check, send] if is_sent else [send]


def _sections(visit: Visit, found: _Found) -> Iterator[Section]:
    yield section(
        translated("Bills"), found.bills, lambda each: bills_by_month(each, lambda month: _address(visit, month=month))
    )
    yield from _of_month(visit, found)
    number = visit.query.text(NUMBER)
    yield orders.of_number(visit, number, found.orders)
    yield complaints.of_number(visit, number, found.complaints)
    yield section(translated("Consents to sharing"), found.grants, lambda each: Content(table=consents(each)))
    yield section(translated("Disclosures"), found.disclosures, lambda each: _looks(visit, each))


def _of_month(visit: Visit, found: _Found) -> Iterator[Section]:
    """The lines of the chosen month."""
    month = visit.query.text(MONTH)
    if not month or isinstance(found.bills, Refused):
        return
    heading, bill = translated("Bill of {month}", month=month), _chosen(visit, found.bills)
    if bill is None:
        yield Section(heading, empty=translated("The home region has no bill of this month, or no longer."))
        return

    def address(ticket_id: str) -> str:
        return visit.address(complaint.path_of(ticket_id))

    yield section(heading, bill, lambda each: Content(table=bill_lines(each, heading, found.gone, address)))


def _looks(visit: Visit, answer: ListDisclosuresResponse) -> Content:
    token = answer.next_page_token
    following = Link(translated("The next page"), _address(visit, looks=token)) if token else None
    return Content(table=disclosures(answer), onward=following)


def _address(visit: Visit, **further: str) -> str:
    """The address of this page, with a month whose bill is shown, or with a later page of disclosures."""
    query = {name: visit.query.text(name) for name in (NUMBER, _CHECK, _PROOF)}
    return visit.address(PATH, **query, **further)


def _sending(visit: Visit) -> SendCodeRequest:
    return SendCodeRequest(
        request_id=visit.request_id,
        number=visit.query.text(NUMBER),
        requester=_requester(visit),
        contact=visit.form.text(_CONTACT),
    )


def _sent(_: Visit, answer: SendCodeResponse) -> str:
    until = told_time(answer.expire_time)
    return translated("A code is on its way to {number}, until {time}.", number=answer.masked_number, time=until)


def _then_check(visit: Visit, _: SendCodeResponse) -> str:
    return visit.address(PATH, number=visit.query.text(NUMBER), check=visit.request_id, month=visit.query.text(MONTH))


def _verifying(visit: Visit) -> VerifyRequest:
    """The id is that of the request for which the code was sent: the code counts for it alone."""
    return VerifyRequest(
        request_id=visit.query.text(_CHECK),
        number=visit.query.text(NUMBER),
        code=visit.form.text(_CODE),
        requester=_requester(visit),
    )


def _verified(_: Visit, __: VerifyResponse) -> str:
    return translated("The code is right: this is the customer.")


def _then_show(visit: Visit, answer: VerifyResponse) -> str:
    proof = base64url.encoded(answer.SerializeToString())
    query = {name: visit.query.text(name) for name in (NUMBER, _CHECK, MONTH)}
    return visit.address(PATH, **query, proof=proof)


VIEW = View.of(
    PATH,
    (
        *(rpcs.GET_TERMS, rpcs.QUERY_BILL, rpcs.LIST_ORDERS, rpcs.LIST_COMPLAINTS, rpcs.GET_COMPLAINT),
        *(rpcs.LIST_GRANTS, rpcs.LIST_DISCLOSURES),
    ),
    _read,
    _show,
    (NUMBER, _CHECK, _PROOF, MONTH, _LOOKS),
    (
        Form.of(_SEND, rpcs.SEND_CODE, _sending, _sent, (_CONTACT,), then=_then_check),
        Form.of(_VERIFY, rpcs.VERIFY, _verifying, _verified, (_CODE,), then=_then_show),
    ),
)
