"""The page of a customer by a number: line, contacts, documents on file, orders and tickets, each read by its RPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.catalogue_service_pb2 import ListPlansRequest, ListPlansResponse
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.customer_service_pb2 import (
    ContactPreferences,
    Customer,
    GetContactPreferencesRequest,
    GetContactPreferencesResponse,
    GetCustomerRequest,
    GetCustomerResponse,
    OtherContact,
    ProductStatus,
)
from gateway.api.region.v1.document_service_pb2 import ListDocumentsRequest, ListDocumentsResponse
from gateway.api.region.v1.fault_service_pb2 import FoundPlace, ListFaultsRequest, ListFaultsResponse
from gateway.api.region.v1.joint_order_service_pb2 import ListJointOrdersRequest, ListJointOrdersResponse
from gateway.api.region.v1.notice_service_pb2 import ListNoticesRequest, ListNoticesResponse
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ListOrdersResponse
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.values.money import in_major_units
from gateway.web.console.frames import Link
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import known, state_and_facts
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.masking import masked_number
from gateway.wording.terms import material_name, named, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.console import (
    complaints,
    faults,
    identity_check,
    joint_orders,
    new_complaint,
    new_fault,
    orders,
    rpcs,
    shared_record,
    support,
)
from region_node.console.guides import MOST_SOLD, NEW_ORDER
from region_node.console.lists import NUMBER
from region_node.console.places import names_of, read_places
from region_node.console.sections import Content, Section, listed, notes_of, section, tables_of
from region_node.console.words import CUSTOMERS, cut_caption, notice_name

_MOST = 10  # of each list
_NOTICES = 500  # which are listed oldest first
_STATUS_BADGES = {
    ProductStatus.PRODUCT_STATUS_ACTIVE: "done",
    ProductStatus.PRODUCT_STATUS_SUSPENDED: "late",
    ProductStatus.PRODUCT_STATUS_PENDING_TERMINATE: "near",
    ProductStatus.PRODUCT_STATUS_CREATED: "moving",
}


@dataclass(frozen=True)
class _Found:
    customer: GetCustomerResponse | Refused = field(repr=False)
    contacts: GetContactPreferencesResponse | Refused = field(repr=False)
    documents: ListDocumentsResponse | Refused = field(repr=False)
    notices: ListNoticesResponse | Refused = field(repr=False)
    orders: ListOrdersResponse | Refused = field(repr=False)
    joint_orders: ListJointOrdersResponse | Refused = field(repr=False)
    complaints: ListComplaintsResponse | Refused = field(repr=False)
    faults: ListFaultsResponse | Refused = field(repr=False)
    support: ListSupportRequestsResponse | Refused = field(repr=False)
    plans: ListPlansResponse | Refused = field(repr=False)
    """Those of this region, for the name of the customer's."""
    places: Sequence[FoundPlace] = field(repr=False)
    """For the names of the sites and links of the faults."""


@dataclass(frozen=True)
class _Page:
    """The page as `customer.html.j2` shows it."""

    label: str
    number: str = field(repr=False)
    apply: str
    hint: str
    status: Cell
    sections: Sequence[Section]
    links: Sequence[Link]
    """To a new order, and to the identity check; none before a number is entered."""


async def _read(visit: Visit, calling: Calling) -> _Found | None:
    number = visit.query.text(NUMBER)
    if not number:
        return None
    customer = await unless_refused(calling.ask(rpcs.GET_CUSTOMER, GetCustomerRequest(number=number)))
    if isinstance(customer, Refused) and customer.reason == Reason.REASON_NUMBER_INVALID:
        raise customer  # as every other part would
    documents: ListDocumentsResponse | Refused
    plans: ListPlansResponse | Refused
    if isinstance(customer, Refused):
        documents = plans = customer  # the RPC of documents would ask the home region for them, without a purpose
    else:
        of_number = ListDocumentsRequest(number=number, page_size=_MOST)
        documents = await unless_refused(calling.ask(rpcs.LIST_DOCUMENTS, of_number))
        plans = await unless_refused(calling.ask(rpcs.LIST_PLANS, ListPlansRequest(page_size=MOST_SOLD)))
    return _Found(
        customer,
        await unless_refused(calling.ask(rpcs.GET_CONTACT_PREFERENCES, GetContactPreferencesRequest(number=number))),
        documents,
        await unless_refused(calling.ask(rpcs.LIST_NOTICES, ListNoticesRequest(number=number, page_size=_NOTICES))),
        await unless_refused(calling.ask(rpcs.LIST_ORDERS, ListOrdersRequest(number=number, page_size=_MOST))),
        await unless_refused(
            calling.ask(rpcs.LIST_JOINT_ORDERS, ListJointOrdersRequest(number=number, page_size=_MOST))
        ),
        await unless_refused(calling.ask(rpcs.LIST_COMPLAINTS, ListComplaintsRequest(number=number, page_size=_MOST))),
        await unless_refused(calling.ask(rpcs.LIST_FAULTS, ListFaultsRequest(number=number, page_size=_MOST))),
        await unless_refused(
            calling.ask(rpcs.LIST_SUPPORT_REQUESTS, ListSupportRequestsRequest(number=number, page_size=_MOST))
        ),
        plans,
        await read_places(calling),
    )


def _show(visit: Visit, found: _Found | None) -> Shown:
    page = _Page(
        label=translated("Number"),
        number=visit.query.text(NUMBER),
        apply=translated("Show"),
        hint=translated(
            "Customers of this region are shown without an identity check. Of others, this page has only the work done"
            " here. Each look is recorded with your name and counted: very many raise an alert."
        ),
        status=_status(found),
        sections=[] if found is None else list(_sections(visit, found)),
        links=_links(visit),
    )
    tables, notes = tables_of(page.sections), notes_of(page.sections)
    if page.status.text:
        tables = [state_and_facts(translated("Customer"), page.status, Cell(""), ()), *tables]
    return Shown("customer.html.j2", translated("Customer"), page, CUSTOMERS, tables, notes)


def _links(visit: Visit) -> Sequence[Link]:
    number = visit.query.text(NUMBER)
    if not number:
        return ()
    checked = translated("Bills, consents and disclosures, after an identity check")
    return [
        Link(translated("New order"), visit.address(NEW_ORDER, number=number)),
        Link(translated("New complaint"), visit.address(new_complaint.PATH, number=number)),
        Link(translated("New fault"), visit.address(new_fault.PATH, number=number)),
        Link(checked, visit.address(identity_check.PATH, number=number)),
        Link(translated("Shared record, by a grant"), visit.address(shared_record.PATH, number=number)),
    ]


def _status(found: _Found | None) -> Cell:
    if found is None or isinstance(found.customer, Refused):
        return Cell("")
    status = found.customer.customer.product.status
    return Cell(value_word(ProductStatus.DESCRIPTOR, status), badge=_STATUS_BADGES.get(status, "calm"))


def _sections(visit: Visit, found: _Found) -> Iterator[Section]:
    number = visit.query.text(NUMBER)
    yield section(translated("Line"), found.customer, lambda each: _line(each.customer, found.plans))
    yield section(translated("Contacts"), found.contacts, lambda each: _contacts(each.preferences))
    yield section(translated("Documents on file"), found.documents, lambda each: Content(table=_documents(each)))
    yield orders.of_number(visit, number, found.orders)
    yield section(
        translated("Joint orders"),
        found.joint_orders,
        lambda each: listed(visit, joint_orders.PATH, number, joint_orders.table(visit, each.orders)),
    )
    yield complaints.of_number(visit, number, found.complaints)
    yield section(
        translated("Faults"),
        found.faults,
        lambda each: listed(visit, faults.PATH, number, faults.table(visit, each.faults, names_of(found.places))),
    )
    yield section(
        translated("Support requests"),
        found.support,
        lambda each: listed(visit, support.PATH, number, support.table(visit, each.requests)),
    )
    yield section(translated("Notices"), found.notices, lambda each: Content(table=_notices(each)))


def _plan(plan_id: str, plans: ListPlansResponse | Refused) -> str:
    """The name of a plan with its id; the id alone of a plan that is not listed."""
    sold = () if isinstance(plans, Refused) else plans.plans
    return next((named(plan_id, each.name) for each in sold if each.id == plan_id), plan_id)


def _line(customer: Customer, plans: ListPlansResponse | Refused) -> Content:
    line, account = customer.product, customer.billing_account
    facts = [
        Fact(translated("Full name"), customer.name),
        Fact(translated("Mail address"), customer.email),
        Fact(translated("Kind of line"), value_word(LineKind.DESCRIPTOR, line.kind)),
        Fact(translated("Plan"), _plan(line.plan_id, plans)),
        Fact(translated("Balance"), in_major_units(account.balance.minor_units, account.balance.currency)),
        Fact(translated("In service since"), told_if_set(line.start_time)),
        Fact(translated("Contract ends"), told_if_set(line.contract_end_time)),
        Fact(translated("Bundle"), line.binding),
        Fact(translated("Address"), line.address),
        Fact(translated("SIM card replaced"), told_if_set(line.sim_replace_time)),
        Fact(translated("Reason of the suspension"), line.suspension_reason),
        Fact(translated("Suspended until"), told_if_set(line.suspension_end_time)),
        Fact(translated("Other contacts"), enumerated(_other_contact(each) for each in customer.other_contacts)),
        Fact(translated("Customer"), customer.id),
    ]
    subscriptions = Table(
        label=translated("Subscriptions"),
        caption=translated("Subscriptions"),
        head=[
            Cell(translated("Offering"), "col"),
            Cell(translated("Begins"), "col"),
            Cell(translated("Ends"), "col"),
        ],
        rows=[
            [
                Cell(each.offering_id, "row"),
                Cell(told_if_set(each.start_time), style="time"),
                Cell(told_if_set(each.end_time), style="time"),
            ]
            for each in line.subscriptions
        ],
    )
    return Content(known(facts), table=subscriptions)


def _other_contact(contact: OtherContact) -> str:
    """The mask by which staff have a code sent to a contact, and from when."""
    mask, time = masked_number(contact.number), told_time(contact.effective_time)
    return translated("{number}, gets codes from {time} on", number=mask, time=time)


def _contacts(permitted: ContactPreferences) -> Content:
    yes, no = translated("yes"), translated("no")
    marketing = translated("yes, since {time}", time=told_if_set(permitted.marketing_time))
    return Content(
        [
            Fact(translated("Consents to marketing"), marketing if permitted.marketing else no),
            Fact(translated("On the quiet list"), yes if permitted.quiet else no),
            Fact(translated("Refuses surveys"), yes if permitted.no_surveys else no),
        ]
    )


def _documents(answer: ListDocumentsResponse) -> Table:
    return Table(
        label=translated("Documents on file"),
        head=[
            Cell(translated("Document"), "col"),
            Cell(translated("Verified in"), "col"),
            Cell(translated("Verified"), "col"),
            Cell(translated("Expires"), "col"),
            Cell(translated("Withdrawn"), "col"),
        ],
        rows=[
            [
                Cell(material_name(each.code), "row", note=each.document_id),
                Cell(region_name(each.region)),
                Cell(told_if_set(each.verify_time), style="time"),
                Cell(told_if_set(each.expire_time), style="time"),
                Cell(told_if_set(each.withdraw_time), style="time"),
            ]
            for each in answer.documents
        ],
        caption=cut_caption(
            translated("The newest first."), len(answer.documents), has_more=bool(answer.next_page_token)
        ),
    )


def _notices(answer: ListNoticesResponse) -> Table:
    """The last notices of the page that was read, which begins with the oldest one."""
    caption = cut_caption(translated("The newest first."), _MOST, has_more=len(answer.notices) > _MOST)
    if answer.next_page_token:
        caption = translated("Of the oldest {count}; there are newer ones.", count=len(answer.notices))
    return Table(
        label=translated("Notices"),
        head=[
            Cell(translated("Created"), "col"),
            Cell(translated("Text"), "col"),
            Cell(translated("Delivered"), "col"),
        ],
        rows=[
            [
                Cell(told_time(each.create_time), "row", "time", note=notice_name(each.kind)),
                Cell(in_language(each.text)),
                Cell(told_if_set(each.delivery_time), style="time"),
            ]
            for each in reversed(answer.notices[-_MOST:])
        ],
        caption=caption,
    )


VIEW = View.of(
    CUSTOMERS,
    (
        rpcs.GET_CUSTOMER,
        rpcs.GET_CONTACT_PREFERENCES,
        rpcs.LIST_DOCUMENTS,
        rpcs.LIST_NOTICES,
        rpcs.LIST_ORDERS,
        rpcs.LIST_JOINT_ORDERS,
        rpcs.LIST_COMPLAINTS,
        rpcs.LIST_FAULTS,
        rpcs.LIST_SUPPORT_REQUESTS,
        rpcs.LIST_PLANS,
        rpcs.FIND_PLACES,
    ),
    _read,
    _show,
    (NUMBER,),
)
