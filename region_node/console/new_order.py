"""The page on which staff take in an order: businesses of the catalogue, the guide of one, and a form made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from gateway.api.federation.v1.configuration_pb2 import Business, Reach
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideResponse,
    ListBusinessesRequest,
    SearchBusinessesRequest,
)
from gateway.api.region.v1.customer_service_pb2 import GetCustomerRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrderResponse
from gateway.errors import Refused
from gateway.web.console.entries import Entry, entry
from gateway.web.console.lists import TextFilter, text_filter
from gateway.web.console.order_parts import order_state
from gateway.web.console.pages import Calling, Form, Shown, View, Visit, unless_refused
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from region_node.business.orders import rules
from region_node.business.orders.business import BusinessRule, ending_offerings, load_rules
from region_node.console import guides, new_joint_order, rpcs
from region_node.console.guides import APPLICANT, BUSINESS, CUSTOMER, NEW_ORDER, REGION, Sold
from region_node.console.lists import NUMBER
from region_node.console.papers import Papers
from region_node.console.words import order_path

_TAB = "/orders"
_SEARCH, _SUBMIT = "search", "submit"
_MOST = 500  # of a page by gRPC
_LONGEST_SEARCH = 100  # characters
_WAIT = timedelta(seconds=15)


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made: businesses to choose from, or the guide of the chosen one."""

    businesses: Sequence[Business] = ()
    guide: GetBusinessGuideResponse | None = field(default=None, repr=False)
    sold: Sold = field(default_factory=Sold)
    """In the home region."""


@dataclass(frozen=True)
class _Page:
    """The businesses as `new_order.html.j2` shows them."""

    search: TextFilter
    number: TextFilter
    apply: str
    table: Table
    empty: str


async def _read(known: Mapping[str, BusinessRule], visit: Visit, calling: Calling) -> _Found:
    search = visit.query.text(_SEARCH)
    if visit.query.text(BUSINESS):
        guide = await guides.read_guide(visit, calling, is_joint=False)
        business = guide.business
        rule = known.get(business.rule or business.code, BusinessRule())
        region = visit.query.text(REGION) if guides.home_of(business) else guide.home_region
        sold = await guides.read_sold(calling, guide, region, rule.opens_line, rule.offering_kind)
        # The rest of the form is not shown before the applicant is chosen: the line is not looked at either.
        if rule.ends_subscription and guide.home_region == visit.person.region and visit.query.text(APPLICANT):
            sold = await _of_line(visit, calling, sold)
        return _Found(guide=guide, sold=sold)
    if search:
        request = SearchBusinessesRequest(query=search, limit=_MOST)
        return _Found((await calling.ask(rpcs.SEARCH_BUSINESSES, request)).businesses)
    return _Found((await calling.ask(rpcs.LIST_BUSINESSES, ListBusinessesRequest(page_size=_MOST))).businesses)


async def _of_line(visit: Visit, calling: Calling, sold: Sold) -> Sold:
    """The offerings that the line of the number has; all that are sold where it is refused, or has none."""
    found = await unless_refused(calling.ask(rpcs.GET_CUSTOMER, GetCustomerRequest(number=visit.query.text(NUMBER))))
    if isinstance(found, Refused):
        return sold
    ending = ending_offerings(sold.offerings, found.customer.product, visit.now)
    return replace(sold, offerings=ending or sold.offerings)


def _show(counted: Papers, visit: Visit, found: _Found) -> Shown:
    if (guide := found.guide) is not None:
        homes = list(guides.homes(visit, guide))
        missing = [
            *guides.missing_of(visit, has_line=not guides.home_of(guide.business)),
            *(each.label for each in homes if not each.chosen),
        ]
        form = partial(_entry, visit, counted, found.sold, guide)
        return guides.shown_guide(visit, counted, guide, homes, missing, form)
    page = _Page(
        search=text_filter(visit, _SEARCH, translated("Business, in words"), longest=_LONGEST_SEARCH),
        number=text_filter(visit, NUMBER, translated("Number"), "tel"),
        apply=translated("Show"),
        table=_businesses(visit, found.businesses),
        empty=translated("Nothing here."),
    )
    return Shown("new_order.html.j2", translated("New order"), page, _TAB, [page.table])


def _businesses(visit: Visit, businesses: Sequence[Business]) -> Table:
    return Table(
        label=translated("Businesses"),
        head=[
            Cell(translated("Business"), "col"),
            Cell(translated("Handled"), "col"),
            Cell(translated("Price"), "col"),
        ],
        rows=[
            [
                Cell(in_language(each.name), "row", href=_address(visit, each), note=each.code),
                Cell(_handled(each), note=in_language(each.reach_note)),
                Cell(in_language(each.tariff)),
            ]
            for each in businesses
            if rules.takes_orders(each)
        ],
    )


def _address(visit: Visit, business: Business) -> str:
    path = new_joint_order.PATH if rules.is_joint(business) else NEW_ORDER
    name = CUSTOMER if guides.home_of(business) else NUMBER
    return visit.address(path, business=business.code, **{name: visit.query.text(NUMBER)})


def _handled(business: Business) -> str:
    if rules.is_joint(business):
        return translated("by several regions together")
    if business.reach == Reach.REACH_HOME:
        return translated("in the home region alone")
    return translated("in every region")


def _entry(visit: Visit, counted: Papers, sold: Sold, guide: GetBusinessGuideResponse) -> Entry:
    fields = guides.fields_of(visit, counted, guide, sold)
    in_words = partial(guides.in_words, guide.business)
    return entry(visit, _SUBMIT, translated("New order"), translated("Submit"), fields, guides.concerns, in_words)


def _request(counted: Papers, visit: Visit) -> SubmitOrderRequest:
    request = SubmitOrderRequest(request_id=visit.request_id, order=guides.order_of(visit, counted))
    request.wait.FromTimedelta(_WAIT)
    return request


def _done(_: Visit, answer: SubmitOrderResponse) -> str:
    return translated("Sent. The order is now: {state}.", state=order_state(answer.order.state))


def _then(visit: Visit, answer: SubmitOrderResponse) -> str:
    return visit.address(order_path(answer.order.id))


def view(counted: Papers) -> View:
    """The page, which takes in papers under the key of the region."""
    request, known = partial(_request, counted), load_rules()
    return View.of(
        NEW_ORDER,
        (rpcs.LIST_BUSINESSES, rpcs.SEARCH_BUSINESSES, rpcs.GET_CUSTOMER, *guides.RPCS),
        partial(_read, known),
        partial(_show, counted),
        (_SEARCH, BUSINESS, APPLICANT, NUMBER, CUSTOMER, REGION),
        (Form.of(_SUBMIT, rpcs.SUBMIT_ORDER, request, _done, guides.FIELDS, guides.PREFIXES, _then),),
    )
