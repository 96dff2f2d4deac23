"""The page on which staff take in a joint order: the guide of its business, its places, and a form made of both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from gateway.api.region.v1.joint_order_pb2 import JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import SubmitJointOrderRequest, SubmitJointOrderResponse
from gateway.errors import Refused, invalid
from gateway.federation.joint_rules import MOST_PLACES, most_places
from gateway.web.console.entries import Entry, Field, entry
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Choice, Option, region_options
from gateway.wording.joint_orders import told_state
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import region_name
from region_node.business.joint import templates
from region_node.console import guides, rpcs
from region_node.console import joint_order as joint_order_page
from region_node.console.guides import APPLICANT, BUSINESS, Sold
from region_node.console.lists import NUMBER
from region_node.console.papers import Papers

PATH = "/joint-orders/new"
_SUBMIT = "submit"
_REGIONS = tuple(f"region.{place}" for place in range(1, MOST_PLACES + 1))  # of the places
_ADDRESS = "address."  # before the number of a place


@dataclass(frozen=True)
class _Found:
    guide: GetBusinessGuideResponse = field(repr=False)
    fixed: int | None
    """The place whose region the number decides, from 1; None for none."""
    regions: Sequence[str]
    """By their places, up to the last one that is known. One between them may be missing."""
    sold: Sold
    """Where the order opens a line."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    guide = await guides.read_guide(visit, calling, is_joint=True)
    fixed, most = _fixed(visit, guide), most_places(guide.business.joint)
    regions = _regions(visit, guide, fixed)
    if len(regions) > most:
        raise invalid(_REGIONS[most], f"there are at most {most} places", f"最多{most}个地点")
    opened = templates.opening(guide.business)
    if not opened:
        return _Found(guide, fixed, regions, Sold())
    template, place = opened[0]
    region = "".join(regions[place - 1 : place])
    return _Found(guide, fixed, regions, await guides.read_sold(calling, guide, region, template.opens_line.kind))


def _regions(visit: Visit, guide: GetBusinessGuideResponse, fixed: int | None) -> Sequence[str]:
    """A line ends in the home region of its number: the address may still have that of another number."""
    chosen = [visit.query.text(each) for each in _REGIONS]
    if fixed is not None:
        chosen[fixed - 1] = guide.home_region
    while chosen and not chosen[-1]:
        chosen.pop()
    return chosen


def _fixed(visit: Visit, guide: GetBusinessGuideResponse) -> int | None:
    ended = templates.ending(guide.business)
    return None if ended is None or not visit.query.text(NUMBER) or not guide.home_region else ended[1]


def _show(counted: Papers, visit: Visit, found: _Found) -> Shown:
    business, regions = found.guide.business, found.regions
    is_about_a_line = templates.ending(business) is not None
    missing = [*guides.missing_of(visit, has_line=is_about_a_line), *_missing(business, regions)]
    places = list(_places(found.guide, regions, found.fixed))
    return guides.shown_guide(visit, counted, found.guide, places, missing, partial(_entry, visit, counted, found))


def _missing(business: Business, regions: Sequence[str]) -> Iterator[str]:
    """The places of which the region is not chosen."""
    least = max(business.joint.least_places, len(regions))
    yield from (_place(business, place) for place in range(1, least + 1) if not "".join(regions[place - 1 : place]))


def _places(guide: GetBusinessGuideResponse, regions: Sequence[str], fixed: int | None) -> Iterator[Choice]:
    """The choice of the region of each place, and of one more. `fixed` is the place that offers no other one."""
    business = guide.business
    shown = min(max(business.joint.least_places, len(regions) + 1), most_places(business.joint))
    home = [Option(guide.home_region, region_name(guide.home_region))]
    for place, name in enumerate(_REGIONS[:shown], 1):
        offered = home if place == fixed else [Option("", ""), *region_options()]
        yield Choice(name, _place(business, place), offered, "".join(regions[place - 1 : place]))


def _place(business: Business, place: int) -> str:
    """A place with what is done there."""
    done = enumerated(in_language(each.name) for each in templates.at_place(business, place))
    return translated("Place {number}: {work}", number=place, work=done)


def _entry(visit: Visit, counted: Papers, found: _Found) -> Entry:
    fields = [*_sites(found.regions), *guides.fields_of(visit, counted, found.guide, found.sold)]
    in_words = partial(guides.in_words, found.guide.business)
    return entry(visit, _SUBMIT, translated("New joint order"), translated("Submit"), fields, _concerns, in_words)


def _sites(regions: Sequence[str]) -> Iterator[Field]:
    """The fields of each place: its region as the page shows it, and its address."""
    for place, region in enumerate(regions, 1):
        label = translated("Address of place {number}, in {region}", number=place, region=region_name(region))
        yield Field(_REGIONS[place - 1], "hidden", "", region)
        yield Field(f"{_ADDRESS}{place}", "line", label, longest=templates.ADDRESS_LIMIT)


def _concerns(refused: Refused, name: str) -> bool:
    """Whether a refusal is about a field of the form. The contract counts places from zero."""
    named = [f"{_ADDRESS}{place}" for place in range(1, MOST_PLACES + 1)]
    told = dict(zip((f"places[{index}].address" for index in range(MOST_PLACES)), named, strict=True))
    return told.get(refused.parameters.get("field", "")) == name or guides.concerns(refused, name)


def _request(counted: Papers, visit: Visit) -> SubmitJointOrderRequest:
    places = [
        JointPlace(region=region, address=visit.form.text(f"{_ADDRESS}{place}"))
        for place, name in enumerate(_REGIONS, 1)
        if (region := visit.form.text(name))
    ]
    return SubmitJointOrderRequest(request_id=visit.request_id, order=guides.order_of(visit, counted), places=places)


def _done(_: Visit, answer: SubmitJointOrderResponse) -> str:
    return translated("Sent. The joint order is now: {state}.", state=told_state(answer.order.state))


def _then(visit: Visit, answer: SubmitJointOrderResponse) -> str:
    return visit.address(joint_order_page.path_of(answer.order.id))


def view(counted: Papers) -> View:
    """The page, which takes in papers under the key of the region."""
    request, prefixes = partial(_request, counted), (_ADDRESS, *guides.PREFIXES)
    return View.of(
        PATH,
        guides.RPCS,
        _read,
        partial(_show, counted),
        (BUSINESS, APPLICANT, NUMBER, *_REGIONS),
        (Form.of(_SUBMIT, rpcs.SUBMIT_JOINT_ORDER, request, _done, (*_REGIONS, *guides.FIELDS), prefixes, _then),),
    )
