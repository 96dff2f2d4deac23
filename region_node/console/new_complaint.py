"""The page on which staff file the complaint of a customer."""

from collections.abc import Sequence
from datetime import timedelta

from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.region.v1.complaint_service_pb2 import FileComplaintRequest, FileComplaintResponse
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.web.console.entries import Field, options_of, value_chosen
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import category_options, region_options
from gateway.web.enum_words import number_of, told_word
from gateway.wording.complaints import state_word
from gateway.wording.languages import translated
from region_node.care.complaints import rules
from region_node.console import complaint, rpcs
from region_node.console.filing import FilingPage, contact_field, filing_entry, number_field
from region_node.console.lists import NUMBER

PATH = "/complaints/new"
_TAB = "/complaints"
_FILE = "file"
# The names of the fields in the request, which refusals have, too.
_NUMBER, _CONTACT, _CHANNEL = "complaint.number", "complaint.contact_number", "complaint.channel"
_TEXT, _CATEGORY, _REMEDY = "complaint.description", "complaint.category", "complaint.remedy_sought"
_REGION, _RURAL = "complaint.location_region", "complaint.rural_area"
_WAIT = timedelta(seconds=15)


async def _read(_: Visit, __: Calling) -> None:
    """Nothing: all choices are of the contract, or names that every page has."""


def _show(visit: Visit, _: None) -> Shown:
    heading = translated("New complaint")
    return FilingPage(filing_entry(visit, _FILE, heading, _fields(visit), (_NUMBER, _CONTACT))).shown(_TAB)


def _fields(visit: Visit) -> Sequence[Field]:
    counter = told_word(ComplaintChannel.DESCRIPTOR, ComplaintChannel.COMPLAINT_CHANNEL_COUNTER)
    category = translated("Category; empty where the text decides it")
    region = translated("Region of the event, if another one")
    return [
        number_field(visit, _NUMBER, translated("Number"), is_required=True),
        contact_field(_CONTACT),
        Field(_CHANNEL, "choice", translated("Came by"), counter, options=options_of(ComplaintChannel.DESCRIPTOR)),
        Field(_TEXT, "text", translated("Text, in the customer's words"), longest=rules.DESCRIPTION_LIMIT),
        Field(_CATEGORY, "choice", category, is_required=False, options=category_options()),
        Field(_REMEDY, "choice", translated("Remedy sought"), options=options_of(Remedy.DESCRIPTOR)),
        Field(_REGION, "choice", region, is_required=False, options=region_options()),
        Field(_RURAL, "tick", translated("In the countryside"), is_required=False),
    ]


def _request(visit: Visit) -> FileComplaintRequest:
    filed = ComplaintRequest(
        number=visit.form.text(_NUMBER),
        contact_number=visit.form.text(_CONTACT),
        channel=ComplaintChannel.ValueType(value_chosen(visit, _CHANNEL, ComplaintChannel.DESCRIPTOR)),
        description=visit.form.text(_TEXT),
        category=visit.form.text(_CATEGORY),
        remedy_sought=Remedy.ValueType(value_chosen(visit, _REMEDY, Remedy.DESCRIPTOR)),
        location_region=visit.form.text(_REGION),
        rural_area=bool(visit.form.text(_RURAL)),
        requester=Requester(staff_id=visit.person.name, channel=_channel(visit)),
    )
    request = FileComplaintRequest(request_id=visit.request_id, complaint=filed)
    request.wait.FromTimedelta(_WAIT)
    return request


def _channel(visit: Visit) -> Channel.ValueType:
    """The channel of the same name; unset for a letter and a social network, which only complaints have."""
    number = number_of(Channel.DESCRIPTOR, visit.form.text(_CHANNEL))
    return Channel.ValueType(number or Channel.CHANNEL_UNSPECIFIED)


def _done(_: Visit, answer: FileComplaintResponse) -> str:
    return translated("Filed. The complaint is now: {state}.", state=state_word(answer.complaint.state))


def _then(visit: Visit, answer: FileComplaintResponse) -> str:
    return visit.address(complaint.path_of(answer.complaint.ticket_id))


VIEW = View.of(
    PATH,
    (),
    _read,
    _show,
    (NUMBER,),
    (
        Form.of(
            _FILE,
            rpcs.FILE_COMPLAINT,
            _request,
            _done,
            (_NUMBER, _CONTACT, _CHANNEL, _TEXT, _CATEGORY, _REMEDY, _REGION, _RURAL),
            then=_then,
        ),
    ),
)
