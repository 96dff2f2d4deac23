"""The guide of a business on a page, and the parts of the form of an order that are made of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    LineKind,
    Offering,
    OfferingKind,
    Plan,
    ProofWay,
    ValueType,
)
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    ListOfferingsRequest,
    ListPlansRequest,
)
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText
from gateway.errors import Refused, invalid
from gateway.federation.documents import parse_alternatives
from gateway.web.console.entries import CURRENCY, Entry, Field, amount_of, time_of
from gateway.web.console.frames import Link
from gateway.web.console.lists import TextFilter, chosen_value, text_filter
from gateway.web.console.pages import Calling, Shown, Visit, unless_refused
from gateway.web.console.parts import Choice, Fact, Option, region_options
from gateway.web.console.ticket import facts_table, filled, known, lines_table
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Table
from gateway.wording.languages import clauses, enumerated, in_language, remarked, translated
from gateway.wording.terms import (
    characteristic_label,
    characteristic_words,
    choice_name,
    named,
    region_name,
    required_line,
)
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.business.orders import rules
from region_node.console import papers, rpcs
from region_node.console.lists import NUMBER
from region_node.console.papers import Papers
from region_node.console.requesters import CHANNEL, channel_field, requester_of
from region_node.console.words import applicant_name
from region_node.requests.checks import TEXT_LIMIT

NEW_ORDER = "/orders/new"
"""The path of the page with the businesses of the catalogue, and with the form of those of one region."""
BUSINESS = "business"
"""The field with the code of the business."""
APPLICANT = "applicant"
"""The field with the applicant."""
REGION = "region"
"""The field with the home region of a line that does not exist yet."""
CUSTOMER = "customer"
"""The field with the number of a customer for whom a further line is opened: the order is not about that one."""
FIELDS = (CHANNEL, papers.SEEN)
"""The fields of each form of an order."""
_VALUE, _AMOUNT, _TIME = "value.", "amount.", "time."  # before the names of characteristics
PREFIXES = (_VALUE, _AMOUNT, _TIME, papers.PREFIX)
"""The beginnings of its further fields."""
RPCS = (rpcs.GET_BUSINESS_GUIDE, rpcs.LIST_PLANS, rpcs.LIST_OFFERINGS)
"""The RPCs of a guide, and of plans and offerings."""
_TAB = "/orders"
MOST_SOLD = 500  # of a page by gRPC
_ANYBODY = Applicant.APPLICANT_UNSPECIFIED  # before an applicant is chosen
_ANY_LINE, _ANY_OFFERING = LineKind.LINE_KIND_UNSPECIFIED, OfferingKind.OFFERING_KIND_UNSPECIFIED
_OF_CHARACTERISTICS = (Reason.REASON_CHARACTERISTIC_MISSING, Reason.REASON_CHARACTERISTIC_INVALID)


@dataclass(frozen=True)
class Sold:
    """The plans and offerings that the region of a line sells, for a business whose characteristics name them."""

    plans: Sequence[Plan] = ()
    offerings: Sequence[Offering] = ()

    def name_of(self, sold: str) -> str:
        """The name of one of them in the language of the reader, with its id; the id alone of another one."""
        names = {each.id: each.name for each in self.plans} | {each.id: each.name for each in self.offerings}
        return named(sold, names.get(sold, LocalizedText()))


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

    def tables(self) -> Iterator[Table]:
        """The guide as tables of a file."""
        yield facts_table(self.heading, self.facts)
        yield lines_table(translated("Steps"), self.steps)
        yield lines_table(self.required_heading, self.required)


@dataclass(frozen=True)
class _Page:
    """The guide and the form as `order_form.html.j2` shows them."""

    back: Link
    business: str
    """The code of the chosen business."""
    applicant: Choice
    number: TextFilter | None
    """None for an order without a line."""
    customer: str = field(repr=False)
    """The number of the customer, kept for another business; empty where `number` has it."""
    places: Sequence[Choice]
    apply: str
    warnings: Sequence[str]
    guide: _Guide
    entry: Entry | None
    missing: str
    """The words for people who have to say more before the form is shown."""


async def read_guide(visit: Visit, calling: Calling, *, is_joint: bool) -> GetBusinessGuideResponse:
    """The guide of the business and for the number of the address.

    Raises Refused, with BUSINESS_IS_JOINT or BUSINESS_NOT_JOINT for a business that the other page orders.
    """
    asked = GetBusinessGuideRequest(business=visit.query.text(BUSINESS), number=visit.query.text(NUMBER))
    guide = await calling.ask(rpcs.GET_BUSINESS_GUIDE, asked)
    rules.require_joint(guide.business, joint=is_joint)
    return guide


async def read_sold(
    calling: Calling,
    guide: GetBusinessGuideResponse,
    region: str,
    line_kind: LineKind.ValueType,
    offering_kind: OfferingKind.ValueType = OfferingKind.OFFERING_KIND_UNSPECIFIED,
) -> Sold:
    """The plans and the offerings of a region, of a kind or all; none without a region. Raises Refused."""
    asked = {each.value_type for each in guide.business.characteristics} if region else set()
    plans: Sequence[Plan] = ()
    offerings: Sequence[Offering] = ()
    if ValueType.VALUE_TYPE_PLAN in asked:
        of_plans = ListPlansRequest(region=region, page_size=MOST_SOLD)
        answer = await calling.ask(rpcs.LIST_PLANS, of_plans)
        plans = [each for each in answer.plans if line_kind in (_ANY_LINE, rules.line_kind(each))]
    if ValueType.VALUE_TYPE_OFFERING in asked:
        of_offerings = ListOfferingsRequest(region=region, page_size=MOST_SOLD)
        listed = (await calling.ask(rpcs.LIST_OFFERINGS, of_offerings)).offerings
        offerings = [each for each in listed if offering_kind in (_ANY_OFFERING, each.kind)]
    return Sold(plans, offerings)


async def read_named(calling: Calling, guide: GetBusinessGuideResponse | Refused, region: str) -> Sold:
    """The plans and offerings of a region that an order may name; none where they are refused."""
    sold = guide if isinstance(guide, Refused) else await unless_refused(read_sold(calling, guide, region, _ANY_LINE))
    return Sold() if isinstance(sold, Refused) else sold


def shown_guide(
    visit: Visit,
    counted: Papers,
    guide: GetBusinessGuideResponse,
    places: Sequence[Choice],
    missing: Sequence[str],
    form: Callable[[], Entry],
) -> Shown:
    """The guide of a business, and the form of its order where nothing is missing for that.

    `places` has the choices of regions beside the number and the applicant.
    """
    lacks_key = _lacks_key(visit, counted, guide)
    takes_orders = guide.offered_here and not lacks_key
    customer = visit.query.text(CUSTOMER)
    number = visit.query.text(NUMBER) or customer
    page = _Page(
        back=Link(translated("Another business"), visit.address(NEW_ORDER, number=number)),
        business=guide.business.code,
        applicant=_applicants(visit, guide),
        number=None if home_of(guide.business) else text_filter(visit, NUMBER, translated("Number"), "tel"),
        customer=customer,
        places=places,
        apply=translated("Show"),
        warnings=list(_warnings(visit, counted, guide, lacks_key=lacks_key)),
        guide=_told(visit, guide, counted),
        entry=form() if takes_orders and not missing else None,
        missing=translated("The form is shown once these are said: {fields}.", fields=enumerated(missing))
        if takes_orders and missing
        else "",
    )
    title = named(guide.business.code, guide.business.name)
    return Shown("order_form.html.j2", title, page, _TAB, filled(page.guide.tables()), page.warnings)


def missing_of(visit: Visit, *, has_line: bool) -> Iterator[str]:
    """The fields that come before the form: the applicant decides its papers, the number who offers the business.

    `has_line` says whether the order is about the line of a number.
    """
    if has_line and not visit.query.text(NUMBER):
        yield translated("Number")
    if not visit.query.text(APPLICANT):
        yield translated("Applicant")


def _applicants(visit: Visit, guide: GetBusinessGuideResponse) -> Choice:
    """The applicants of the business, of whom none is chosen before somebody says who stands there."""
    listed = [each.applicant for each in guide.business.documents]
    options = [Option(told_word(Applicant.DESCRIPTOR, each), applicant_name(each)) for each in listed]
    return Choice(APPLICANT, translated("Applicant"), [Option("", ""), *options], visit.query.text(APPLICANT))


def home_of(business: Business) -> str:
    """The characteristic that has the region of a line which does not exist yet; empty for none.

    A joint order says the regions of its places instead.
    """
    return "" if rules.is_joint(business) else business.home_characteristic


def homes(visit: Visit, guide: GetBusinessGuideResponse) -> Iterator[Choice]:
    """The choice of the home region of a line that does not exist yet; none for a line with a number."""
    for each in guide.business.characteristics:
        if each.name == home_of(guide.business):
            yield Choice(
                REGION, characteristic_label(each), [Option("", ""), *region_options()], visit.query.text(REGION)
            )


def _warnings(visit: Visit, counted: Papers, guide: GetBusinessGuideResponse, *, lacks_key: bool) -> Iterator[str]:
    if visit.query.text(NUMBER) and not guide.offered_here:
        yield translated("The business is not offered here for this number.")
    if guide.calendar_missing:
        yield translated("The year of the due date has no calendar: holidays are not counted.")
    if lacks_key:
        yield translated("This node has no key for papers: an operator system submits joint orders.")
    elif counted.key is None and not rules.is_joint(guide.business):
        yield translated("This node has no key for papers: orders rest on documents on file alone.")


def _lacks_key(visit: Visit, counted: Papers, guide: GetBusinessGuideResponse) -> bool:
    """Whether no order of this page is accepted: a joint order names each paper, and this node can hash none."""
    applicant = chosen_value(visit, APPLICANT, Applicant.DESCRIPTOR)
    needed = any(each.all_of for each in guide.business.documents if applicant in (_ANYBODY, each.applicant))
    return counted.key is None and rules.is_joint(guide.business) and needed


def _told(visit: Visit, guide: GetBusinessGuideResponse, counted: Papers) -> _Guide:
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
        required=[required_line(line) for line in _lines(visit, guide)],
        hint="" if counted.key is None else hint,  # without a key there is no field for a number
    )


def _ways(guide: GetBusinessGuideResponse) -> str:
    """The ways of proof of the policies of a business, each with its source; empty without such a policy."""
    ways = [way for each in guide.policies for way in each.ways.ways]
    return clauses(remarked(value_word(ProofWay.DESCRIPTOR, each.way), each.source) for each in ways)


def _lines(visit: Visit, guide: GetBusinessGuideResponse) -> Sequence[str]:
    """The lines of required documents of the chosen applicant, as the catalogue has them."""
    applicant = chosen_value(visit, APPLICANT, Applicant.DESCRIPTOR)
    return [line for each in guide.business.documents if each.applicant == applicant for line in each.all_of]


def fields_of(visit: Visit, counted: Papers, guide: GetBusinessGuideResponse, sold: Sold) -> Sequence[Field]:
    """The fields for the channel, each characteristic, and each paper of the chosen applicant."""
    codes = [code for line in _lines(visit, guide) for each in parse_alternatives(line) for code in each]
    return [
        channel_field(),
        *(
            Field(f"{_VALUE}{each.name}", "hidden", "", visit.query.text(REGION))
            if each.name == home_of(guide.business)
            else _field(each, sold)
            for each in guide.business.characteristics
        ),
        *counted.fields(visit, codes),
    ]


def _field(characteristic: CharacteristicSpecification, sold: Sold) -> Field:
    """The field of a characteristic, by its type."""
    label, hint = characteristic_words(characteristic)
    name, must = f"{_VALUE}{characteristic.name}", characteristic.required
    options = _options(characteristic, sold)
    if options:
        return Field(name, "choice", label, is_required=must, options=options, hint=hint)
    if characteristic.value_type == ValueType.VALUE_TYPE_TIME:
        return Field(f"{_TIME}{characteristic.name}", "time", label, is_required=must, hint=hint)
    if characteristic.value_type == ValueType.VALUE_TYPE_AMOUNT:
        told = translated("{name}, in {currency}, for example 12.00", name=label, currency=CURRENCY)
        return Field(f"{_AMOUNT}{characteristic.name}", "amount", told, is_required=must, hint=hint)
    return Field(name, "line", label, longest=TEXT_LIMIT, is_required=must, hint=hint)


def _options(characteristic: CharacteristicSpecification, sold: Sold) -> Sequence[Option]:
    """The values to choose from; none where any text may be entered."""
    match characteristic.value_type:
        case ValueType.VALUE_TYPE_CHOICE:
            return [Option(each, choice_name(characteristic, each)) for each in characteristic.choices]
        case ValueType.VALUE_TYPE_REGION:
            return region_options()
        case ValueType.VALUE_TYPE_PLAN:
            return list(_plan_options(sold.plans))
        case ValueType.VALUE_TYPE_OFFERING:
            return [Option(each.id, named(each.id, each.name)) for each in sold.offerings]
        case _:
            return ()


def _plan_options(plans: Sequence[Plan]) -> Iterator[Option]:
    """The plans to choose from, with the kind of their lines where it differs."""
    has_kinds = len({rules.line_kind(each) for each in plans}) > 1
    for each in plans:
        name, kind = named(each.id, each.name), value_word(LineKind.DESCRIPTOR, rules.line_kind(each))
        yield Option(each.id, enumerated((name, kind)) if has_kinds else name)


def concerns(refused: Refused, name: str) -> bool:
    """Whether a refusal is about a field of the form."""
    kind, _, rest = name.partition(".")
    is_value = f"{kind}." in (_VALUE, _AMOUNT, _TIME) and refused.reason in _OF_CHARACTERISTICS
    return (is_value and refused.parameters.get("name") == rest) or papers.concerns(refused, name)


def in_words(business: Business, refused: Refused) -> Refused:
    """A refusal about a field of the form, with the name of the business, and the label of a characteristic."""
    if refused.reason not in _OF_CHARACTERISTICS:
        return refused
    names = {each.name: characteristic_label(each) for each in business.characteristics}
    told, name = dict(refused.parameters), refused.parameters.get("name", "")
    told |= {"business": in_language(business.name) or business.code, "name": names.get(name, name)}
    return Refused(refused.reason, **told)


def _minor_units(visit: Visit, name: str) -> str:
    """An amount of an order. It needs its decimals: forms of a former version read a number without them as fen."""
    amount = amount_of(visit, name).minor_units
    if "." not in visit.form.text(name):
        raise invalid(name, "needs its decimals, as 12.00", "须写明小数，例如12.00")
    if not amount:
        raise invalid(name, "is not above zero", "须大于零")
    return str(amount)


def order_of(visit: Visit, counted: Papers) -> OrderRequest:
    """The order of a form that was sent. Raises Refused."""
    applicant = number_of(Applicant.DESCRIPTOR, visit.query.text(APPLICANT))
    if applicant is None:
        raise invalid(APPLICANT, "is not chosen", "未选择")
    order = OrderRequest(
        business=visit.query.text(BUSINESS),
        number=visit.query.text(NUMBER),
        applicant=Applicant.ValueType(applicant),
        documents=counted.documents(visit),
        characteristics=visit.form.beginning(_VALUE),
        requester=requester_of(visit),
    )
    for name in visit.form.beginning(_AMOUNT):
        order.characteristics[name] = _minor_units(visit, f"{_AMOUNT}{name}")
    for name in visit.form.beginning(_TIME):
        order.characteristics[name] = time_of(visit, f"{_TIME}{name}").ToJsonString()
    return order
