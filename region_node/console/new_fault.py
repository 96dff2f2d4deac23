"""The page on which staff report a fault, for a customer or as their own finding."""

from collections.abc import Sequence

from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport, FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import (
    FindPlacesRequest,
    FindPlacesResponse,
    ReportFaultRequest,
    ReportFaultResponse,
)
from gateway.web.console.entries import Field, options_of, value_chosen
from gateway.web.console.lists import text_filter
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Option, region_options
from gateway.wording.languages import translated
from gateway.wording.terms import named
from region_node.console import fault, rpcs
from region_node.console.filing import FilingPage, contact_field, filing_entry, number_field
from region_node.console.lists import NUMBER
from region_node.console.requesters import CHANNEL, channel_field, requester_of
from region_node.console.words import fault_state
from region_node.network.faults import rules

PATH = "/faults/new"
_TAB = "/faults"
_REPORT = "report"
_SEARCH = "search"
# The names of the fields in the request, which refusals have, too.
_NUMBER, _CONTACT, _TEXT = "report.number", "report.contact_number", "report.description"
_SITE, _LINK, _ADDRESS = "report.place.site", "report.place.link", "report.place.address"
_REGION, _RURAL = "report.place.region", "report.place.rural"
_SEVERITY, _TERMINAL = "report.severity", "report.terminal_caused"
_PLACES = 500  # as FindPlaces answers at most
_LONGEST_SEARCH = 100  # characters


async def _read(visit: Visit, calling: Calling) -> FindPlacesResponse:
    text = visit.query.text(_SEARCH) or visit.person.region
    return await calling.ask(rpcs.FIND_PLACES, FindPlacesRequest(text=text))


def _show(visit: Visit, found: FindPlacesResponse) -> Shown:
    label = translated("Search for sites and links by a place or a region; empty for those of this region")
    more = translated("There are more sites and links than the form lists: search for other words.")
    heading, numbers = translated("New fault"), (_NUMBER, _CONTACT)
    page = FilingPage(
        entry=filing_entry(visit, _REPORT, heading, _fields(visit, found), numbers),
        search=text_filter(visit, _SEARCH, label, longest=_LONGEST_SEARCH),
        apply=translated("Search"),
        number=visit.query.text(NUMBER),
        warnings=[more] if len(found.places) >= _PLACES else (),
    )
    return page.shown(_TAB)


def _fields(visit: Visit, found: FindPlacesResponse) -> Sequence[Field]:
    sites = [Option(each.object.site, named(each.object.site, each.name)) for each in found.places if each.object.site]
    links = [Option(each.object.link, named(each.object.link, each.name)) for each in found.places if each.object.link]
    number = translated("Number; empty for a finding of staff")
    region = translated("Region, for an address alone")
    severity = translated("Severity; empty for a minor one")
    terminal = translated("The customer's own terminal seems to be the cause")
    return [
        number_field(visit, _NUMBER, number, is_required=False),
        contact_field(_CONTACT),
        channel_field(),
        Field(_TEXT, "text", translated("Text"), longest=rules.DESCRIPTION_LIMIT),
        Field(_SITE, "choice", translated("Site"), is_required=False, options=sites),
        Field(_LINK, "choice", translated("Link"), is_required=False, options=links),
        Field(_ADDRESS, "line", translated("Address"), longest=rules.ADDRESS_LIMIT, is_required=False),
        Field(_REGION, "choice", region, is_required=False, options=region_options()),
        Field(_RURAL, "tick", translated("In the countryside"), is_required=False),
        Field(_SEVERITY, "choice", severity, is_required=False, options=options_of(FaultSeverity.DESCRIPTOR)),
        Field(_TERMINAL, "tick", terminal, is_required=False),
    ]


def _request(visit: Visit) -> ReportFaultRequest:
    said = visit.form.text
    severity = value_chosen(visit, _SEVERITY, FaultSeverity.DESCRIPTOR) if said(_SEVERITY) else 0
    place = FaultPlace(
        site=said(_SITE), link=said(_LINK), address=said(_ADDRESS), region=said(_REGION), rural=bool(said(_RURAL))
    )
    report = FaultReport(
        number=said(_NUMBER),
        contact_number=said(_CONTACT),
        description=said(_TEXT),
        place=place,
        severity=FaultSeverity.ValueType(severity),
        terminal_caused=bool(said(_TERMINAL)),
        requester=requester_of(visit),
    )
    return ReportFaultRequest(request_id=visit.request_id, report=report)


def _done(_: Visit, answer: ReportFaultResponse) -> str:
    return translated("Reported. The fault is now: {state}.", state=fault_state(answer.fault.state))


def _then(visit: Visit, answer: ReportFaultResponse) -> str:
    return visit.address(fault.path_of(answer.fault.id))


VIEW = View.of(
    PATH,
    (rpcs.FIND_PLACES,),
    _read,
    _show,
    (NUMBER, _SEARCH),
    (
        Form.of(
            _REPORT,
            rpcs.REPORT_FAULT,
            _request,
            _done,
            (
                *(_NUMBER, _CONTACT, CHANNEL, _TEXT, _SITE, _LINK),
                *(_ADDRESS, _REGION, _RURAL, _SEVERITY, _TERMINAL),
            ),
            then=_then,
        ),
    ),
)
