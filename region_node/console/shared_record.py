"""The page of a customer's shared record: the fields of a purpose, by a grant of the customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, Purpose
from gateway.api.region.v1.sharing_service_pb2 import (
    ListPurposesRequest,
    ReadSharedCustomerRequest,
    ReadSharedCustomerResponse,
    SharedRecord,
    SharingRefusal,
)
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import reason_name
from gateway.web.console.lists import chosen_word, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Choice, Option
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.sharing import shared_fields, shared_value, word_of_mask
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from region_node.console import rpcs
from region_node.console.lists import NUMBER, number_of
from region_node.console.words import CUSTOMERS

PATH = f"{CUSTOMERS}/shared-record"
_PURPOSE = "purpose"
_CONSENT = LegalBasis.LEGAL_BASIS_CONSENT


@dataclass(frozen=True)
class _Found:
    purposes: Sequence[Purpose]
    """The purposes for which a customer consents."""
    answer: ReadSharedCustomerResponse = field(default_factory=ReadSharedCustomerResponse, repr=False)
    """Empty before a number and a purpose are chosen."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    listed = await calling.ask(rpcs.LIST_PURPOSES, ListPurposesRequest())
    purposes = [each for each in listed.purposes if _CONSENT in each.legal_bases]
    number, purpose = visit.query.text(NUMBER), chosen_word(visit, _PURPOSE, [each.name for each in purposes])
    if not number or not purpose:
        return _Found(purposes)
    request = ReadSharedCustomerRequest(
        request_id=visit.drawn,
        number=number,
        purpose=purpose,
        legal_basis=_CONSENT,
        requester=Requester(staff_id=visit.person.name, channel=Channel.CHANNEL_COUNTER),
    )
    return _Found(purposes, await calling.ask(rpcs.READ_SHARED_CUSTOMER, request))


def _show(visit: Visit, found: _Found) -> Shown:
    options = [Option(each.name, in_language(each.title)) for each in found.purposes]
    choices = [Choice(_PURPOSE, translated("Purpose"), options, visit.query.text(_PURPOSE))]
    notes = [_told_refusal(found.answer.refusal)] if found.answer.HasField("refusal") else []
    page = list_page(visit, PATH, choices, _table(found.answer.record), "", [number_of(visit)], notes)
    return page.shown(translated("Shared record"), CUSTOMERS)


def _told_refusal(refusal: SharingRefusal) -> str:
    told = {"problem": in_language(refusal.message), "reason": reason_name(refusal.reason)}
    return translated("Refused: {problem} ({reason})", **told)


def _table(record: SharedRecord) -> Table:
    caption = translated(
        "From {region}, {time}, by the grant {grant}. The customer's list has this look with your name.",
        region=region_name(record.region),
        time=told_if_set(record.read_time),
        grant=record.grant_id or translated("none"),
    )
    return Table(
        label=translated("Shared record"),
        head=[
            Cell(translated("Field"), "col"),
            Cell(translated("Value"), "col"),
            Cell(translated("Why it is masked"), "col"),
        ],
        rows=[
            [Cell(shared_fields([each.field]), "row"), Cell(shared_value(each)), Cell(word_of_mask(each.masked))]
            for each in record.values
        ],
        caption=caption,
    )


VIEW = View.of(PATH, (rpcs.LIST_PURPOSES, rpcs.READ_SHARED_CUSTOMER), _read, _show, (NUMBER, _PURPOSE))
