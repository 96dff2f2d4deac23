"""The page on which staff take in an order: businesses of the catalogue, the guide of one, and a form made of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    Offering,
    Plan,
    ProofWay,
    Reach,
    ValueType,
)
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    ListBusinessesRequest,
    ListOfferingsRequest,
    ListPlansRequest,
    SearchBusinessesRequest,
)
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrderResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import Refused, invalid
from gateway.federation.documents import parse_alternatives
from gateway.web.console.entries import Entry, Field, entry, time_of
from gateway.web.console.frames import Link
from gateway.web.console.lists import TextFilter, chosen_value, text_filter
from gateway.web.console.order_parts import order_state
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Choice, Fact, Option, region_options
from gateway.web.console.ticket import facts_table, filled, known, lines_table
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import named, region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.business.orders import rules
from region_node.console import order as order_page
from region_node.console import papers, rpcs
from region_node.console.lists import NUMBER
from region_node.console.papers import Papers
from region_node.console.requesters import CHANNEL, channel_field, requester_of
from region_node.console.words import applicant_name

PATH = "/orders/new"
_TAB = "/orders"
_SEARCH, _BUSINESS, _APPLICANT = "search", "business", "applicant"
_SUBMIT = "submit"
_VALUE, _TIME = "value.", "time."  # before the names of characteristics
_MOST = 500  # of a page by gRPC
_LONGEST_SEARCH = 100  # characters
_WAIT = timedelta(seconds=15)
_OF_CHARACTERISTICS = (Reason.REASON_CHARACTERISTIC_MISSING, Reason.REASON_CHARACTERISTIC_INVALID)


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made: businesses to choose from, or the guide of the chosen one."""

    businesses: Sequence[Business] = ()
    guide: GetBusinessGuideResponse | None = field(default=None, repr=False)
    plans: Sequence[Plan] = ()
    offerings: Sequence[Offering] = ()
    """As the plans: those of the home region, where the business asks for one."""


@dataclass(frozen=True)
class _Guide:
    """The guide of a business."""

    heading: str
    facts: Sequence[Fact] = field(repr=False)
    steps: Sequence[str]
    required_heading: str
    required: Sequence[str]
    """The lines of required documents of the chosen applicant."""
    hint: str


@dataclass(frozen=True)
class _Page:
    """The page as `new_order.html.j2` shows it."""

    search: TextFilter
    apply: str
    table: Table | None
    empty: str
    back: Link
    business: str
    """The code of the chosen business; empty where there are businesses to choose from."""
    applicant: Choice
    number: TextFilter
    warnings: Sequence[str]
    guide: _Guide | None
    entry: Entry | None
    missing: str
    """The words for people who have to say more before the form is shown."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    code, number, search = (visit.query.text(each) for each in (_BUSINESS, NUMBER, _SEARCH))
    if not code and search:
        request = SearchBusinessesRequest(query=search, limit=_MOST)
        return _Found((await calling.ask(rpcs.SEARCH_BUSINESSES, request)).businesses)
    if not code:
        return _Found((await calling.ask(rpcs.LIST_BUSINESSES, ListBusinessesRequest(page_size=_MOST))).businesses)
    guide = await calling.ask(rpcs.GET_BUSINESS_GUIDE, GetBusinessGuideRequest(business=code, number=number))
    asked = {each.value_type for each in guide.business.characteristics} if guide.home_region else set()
    plans: Sequence[Plan] = ()
    offerings: Sequence[Offering] = ()
    if ValueType.VALUE_TYPE_PLAN in asked:
        of_plans = ListPlansRequest(region=guide.home_region, page_size=_MOST)
        plans = (await calling.ask(rpcs.LIST_PLANS, of_plans)).plans
    if ValueType.VALUE_TYPE_OFFERING in asked:
        of_offerings = ListOfferingsRequest(region=guide.home_region, page_size=_MOST)
        offerings = (await calling.ask(rpcs.LIST_OFFERINGS, of_offerings)).offerings
    return _Found(guide=guide, plans=plans, offerings=offerings)


def _show(counted: Papers, visit: Visit, found: _Found) -> Shown:
    guide = found.guide
    applicant = chosen_value(visit, _APPLICANT, Applicant.DESCRIPTOR)
    table = _businesses(visit, found.businesses) if guide is None else None
    is_ready = guide is not None and _is_ready(visit, guide)
    page = _Page(
        search=text_filter(visit, _SEARCH, translated("Business, in words"), longest=_LONGEST_SEARCH),
        apply=translated("Show"),
        table=table,
        empty=translated("Nothing here."),
        back=Link(translated("Another business"), visit.address(PATH, number=visit.query.text(NUMBER))),
        business="" if guide is None else guide.business.code,
        applicant=_applicants(visit, guide),
        number=text_filter(visit, NUMBER, translated("Number"), "tel"),
        warnings=[] if guide is None else list(_warnings(visit, counted, guide)),
        guide=None if guide is None else _told(guide, applicant, counted),
        entry=_entry(visit, counted, found, guide) if guide is not None and is_ready else None,
        missing="" if guide is None or is_ready or not guide.offered_here else _missing(guide),
    )
    title = translated("New order") if guide is None else named(guide.business.code, guide.business.name)
    tables = [] if table is None else [table]
    return Shown("new_order.html.j2", title, page, _TAB, [*tables, *filled(_files(page.guide))], page.warnings)


def _files(guide: _Guide | None) -> Iterator[Table]:
    """The guide as tables of a file."""
    if guide is None:
        return
    yield facts_table(guide.heading, guide.facts)
    yield lines_table(translated("Steps"), guide.steps)
    yield lines_table(guide.required_heading, guide.required)


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
                Cell(
                    in_language(each.name),
                    "row",
                    href=visit.address(PATH, business=each.code, number=visit.query.text(NUMBER)),
                    note=each.code,
                ),
                Cell(
                    translated("in the home region alone")
                    if each.reach == Reach.REACH_HOME
                    else translated("in every region"),
                    note=in_language(each.reach_note),
                ),
                Cell(in_language(each.tariff)),
            ]
            for each in businesses
            if rules.takes_orders(each)
        ],
        caption=translated(
            "Orders of several regions, such as leased lines, are submitted by {command}.",
            command="region-node joint submit",
        ),
    )


def _applicants(visit: Visit, guide: GetBusinessGuideResponse | None) -> Choice:
    """The applicants of the business, of whom none is chosen before somebody says who stands there."""
    listed = [] if guide is None else [each.applicant for each in guide.business.documents]
    options = [Option(told_word(Applicant.DESCRIPTOR, each), applicant_name(each)) for each in listed]
    return Choice(_APPLICANT, translated("Applicant"), [Option("", ""), *options], visit.query.text(_APPLICANT))


def _is_ready(visit: Visit, guide: GetBusinessGuideResponse) -> bool:
    """Whether the form can be shown: the applicant decides its papers, and the number who offers the business."""
    has_line = visit.query.text(NUMBER) or guide.business.home_characteristic
    return bool(visit.query.text(_APPLICANT) and has_line and guide.offered_here)


def _missing(guide: GetBusinessGuideResponse) -> str:
    if guide.business.home_characteristic:
        return translated("Choose the applicant. The form is shown then.")
    return translated("Choose the applicant, and enter the number. The form is shown then.")


def _warnings(visit: Visit, counted: Papers, guide: GetBusinessGuideResponse) -> Iterator[str]:
    if visit.query.text(NUMBER) and not guide.offered_here:
        yield translated("The business is not offered here for this number.")
    if guide.calendar_missing:
        yield translated("The year of the due date has no calendar: holidays are not counted.")
    if counted.key is None:
        yield translated("This node has no key for papers: orders rest on documents on file alone.")


def _told(guide: GetBusinessGuideResponse, applicant: int, counted: Papers) -> _Guide:
    names = names_of(guide)
    hint = translated("Enter the number of each paper that you see in the original. The order keeps its hash alone.")
    facts = [
        Fact(translated("Home region"), region_name(guide.home_region)),
        Fact(translated("Promised"), told_if_set(guide.expected_completion_time)),
        Fact(translated("Price"), in_language(guide.business.tariff)),
        Fact(translated("Handled"), in_language(guide.business.reach_note)),
        Fact(translated("Proof of the customer's wish in another region"), _ways(guide)),
    ]
    return _Guide(
        heading=translated("Guide"),
        facts=known(facts),
        steps=[in_language(each) for each in guide.business.guide],
        required_heading=translated("Documents required"),
        required=[_either(line, names) for line in _lines(guide, applicant)],
        hint="" if counted.key is None else hint,  # without a key there is no field for a number
    )


def _ways(guide: GetBusinessGuideResponse) -> str:
    """The ways of proof of the policies of a business, each with its source; empty without such a policy."""
    ways = [way for each in guide.policies for way in each.ways.ways]
    return "; ".join(f"{value_word(ProofWay.DESCRIPTOR, each.way)} ({each.source})" for each in ways)


def names_of(guide: GetBusinessGuideResponse) -> Mapping[str, str]:
    """The names of the materials of a business by their codes."""
    return {each.code: in_language(each.name) for each in guide.materials}


def _lines(guide: GetBusinessGuideResponse, applicant: int) -> Sequence[str]:
    """The lines of required documents of an applicant, as the catalogue has them."""
    return [line for each in guide.business.documents if each.applicant == applicant for line in each.all_of]


def _either(line: str, names: Mapping[str, str]) -> str:
    """A line of required documents in words."""
    both, either = translated(" and "), translated(", or ")
    return either.join(both.join(names.get(code, code) for code in each) for each in parse_alternatives(line))


def _entry(visit: Visit, counted: Papers, found: _Found, guide: GetBusinessGuideResponse) -> Entry:
    lines = _lines(guide, chosen_value(visit, _APPLICANT, Applicant.DESCRIPTOR))
    codes = [code for line in lines for each in parse_alternatives(line) for code in each]
    fields = [
        channel_field(),
        *(_field(each, found) for each in guide.business.characteristics),
        *counted.fields(visit, codes, names_of(guide)),
    ]
    return entry(visit, _SUBMIT, translated("New order"), translated("Submit"), fields, _concerns)


def _field(characteristic: CharacteristicSpecification, found: _Found) -> Field:
    """The field of a characteristic, by its type."""
    label = in_language(characteristic.description) or characteristic.name
    name, must = f"{_VALUE}{characteristic.name}", characteristic.required
    options = _options(characteristic, found)
    if options:
        return Field(name, "choice", label, is_required=must, options=options)
    if characteristic.value_type == ValueType.VALUE_TYPE_TIME:
        return Field(f"{_TIME}{characteristic.name}", "time", label, is_required=must)
    if characteristic.value_type == ValueType.VALUE_TYPE_AMOUNT:
        return Field(name, "number", label, is_required=must)  # in minor units, as its description says
    return Field(name, "line", label, longest=rules.TEXT_LIMIT, is_required=must)


def _options(characteristic: CharacteristicSpecification, found: _Found) -> Sequence[Option]:
    """The values to choose from; none where any text may be entered."""
    match characteristic.value_type:
        case ValueType.VALUE_TYPE_CHOICE:
            return [Option(each, each) for each in characteristic.choices]
        case ValueType.VALUE_TYPE_REGION:
            return region_options()
        case ValueType.VALUE_TYPE_PLAN:
            return [Option(each.id, named(each.id, each.name)) for each in found.plans]
        case ValueType.VALUE_TYPE_OFFERING:
            return [Option(each.id, named(each.id, each.name)) for each in found.offerings]
        case _:
            return ()


def _concerns(refused: Refused, name: str) -> bool:
    """Whether a refusal is about a field of the form."""
    kind, _, rest = name.partition(".")
    is_value = f"{kind}." in (_VALUE, _TIME) and refused.reason in _OF_CHARACTERISTICS
    return (is_value and refused.parameters.get("name") == rest) or papers.concerns(refused, name)


def _request(counted: Papers, visit: Visit) -> SubmitOrderRequest:
    applicant = number_of(Applicant.DESCRIPTOR, visit.query.text(_APPLICANT))
    if applicant is None:
        raise invalid(_APPLICANT, "is not chosen", "未选择")
    order = OrderRequest(
        business=visit.query.text(_BUSINESS),
        number=visit.query.text(NUMBER),
        applicant=Applicant.ValueType(applicant),
        documents=counted.documents(visit),
        characteristics=visit.form.beginning(_VALUE),
        requester=requester_of(visit),
    )
    for name in visit.form.beginning(_TIME):
        order.characteristics[name] = time_of(visit, f"{_TIME}{name}").ToJsonString()
    request = SubmitOrderRequest(request_id=visit.request_id, order=order)
    request.wait.FromTimedelta(_WAIT)
    return request


def _done(_: Visit, answer: SubmitOrderResponse) -> str:
    return translated("Sent. The order is now: {state}.", state=order_state(answer.order.state))


def _then(visit: Visit, answer: SubmitOrderResponse) -> str:
    return visit.address(order_page.path_of(answer.order.id))


def view(counted: Papers) -> View:
    """The page, which takes in papers under the key of the region."""
    return View.of(
        PATH,
        (
            rpcs.LIST_BUSINESSES,
            rpcs.SEARCH_BUSINESSES,
            rpcs.GET_BUSINESS_GUIDE,
            rpcs.LIST_PLANS,
            rpcs.LIST_OFFERINGS,
        ),
        _read,
        partial(_show, counted),
        (_SEARCH, _BUSINESS, _APPLICANT, NUMBER),
        (
            Form.of(
                _SUBMIT,
                rpcs.SUBMIT_ORDER,
                partial(_request, counted),
                _done,
                (CHANNEL, papers.SEEN),
                (_VALUE, _TIME, papers.PREFIX),
                _then,
            ),
        ),
    )
