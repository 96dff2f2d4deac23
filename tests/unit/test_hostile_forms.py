"""Markup and acting characters typed into any field of a form of a console: refused, and harmless on the page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import Mode
from gateway.api.region.v1.alarm_service_pb2 import GetAlarmResponse
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse
from gateway.api.region.v1.customer_service_pb2 import GetCustomerResponse
from gateway.api.region.v1.fault_service_pb2 import GetFaultResponse
from gateway.api.region.v1.issue_service_pb2 import GetIssueResponse
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse
from gateway.api.region.v1.support_service_pb2 import GetSupportRequestResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.message_checks import require_plain
from gateway.values.plain_text import acting_character
from gateway.web.console.fields import Fields
from gateway.web.console.pages import ACT, Form, View, Visit, WebConsole
from tests.unit import console_pages as of_region
from tests.unit import test_coordinator_console as of_coordinator
from tests.unit.console_pages import NUMBER, Answering, visit, written_by
from tests.unit.joint_answers import proposal
from tests.unit.network_answers import problem
from tests.unit.test_complaint_report import read
from tests.unit.test_hostile_pages import EVIL, structure

HARMLESS, ACTING = "text", ("\u202e", "\x1b")
NOT_ALLOWED = Reason.REASON_CHARACTER_NOT_ALLOWED
QUERIES = {
    "/orders/new": f"business=SUSPEND&applicant=holder&number={quote(NUMBER)}",
    "/joint-orders/new": f"business=MOVE&applicant=holder&number={quote(NUMBER)}&region.1=sichuan&region.2=henan",
    "/customers/identity-check": f"number={quote(NUMBER)}",
    "/configuration/proposal": "file=F1",
}
RIGHT = {"datetime-local": "2026-12-24T09:00", "date": "2026-12-24", "numeric": "1", "decimal": "12.00"}
"""A text that is right, by the type or the mode of a field."""
OWN = ("hidden", "radio", "checkbox")
"""The types of the fields that have a text of their own."""


def of_the_region(path: str) -> Sequence[Message]:
    """The answers of which a page with forms of a region is made."""
    return (
        GetOrderResponse(order=of_region.order()),
        of_region.guide(mode=Mode.MODE_JOINT if path == "/joint-orders/new" else Mode.MODE_DIRECT),
        GetComplaintResponse(complaint=of_region.complaint()),
        GetCustomerResponse(customer=of_region.customer()),
        GetFaultResponse(fault=of_region.fault()),
        GetSupportRequestResponse(request=of_region.support_request()),
        GetIssueResponse(issue=of_region.issue()),
        GetAlarmResponse(alarm=of_region.alarm()),
        *of_region.network(),
    )


@dataclass(frozen=True)
class Typing:
    """A page of a console with a form, in which somebody types."""

    console: WebConsole
    view: View
    form: Form
    answers: Sequence[Message]

    def page_after(self, fields: Sequence[str], text: str) -> str:
        """The page after a text that was entered in these fields of the form was refused."""
        refusal = invalid(fields[0] if fields else ACT, text, text)
        asked = replace(self.visit({ACT: self.form.act, **dict.fromkeys(fields, text)}), refused=refusal)
        return written_by(self.console, self.view, asked, Answering(*self.answers), refusal)

    def visit(self, entered: Mapping[str, str]) -> Visit:
        """The visit that sends the form."""
        asked = visit(QUERIES.get(self.view.path, ""), region="sichuan")
        form = Fields({name: [text] for name, text in entered.items()})
        return replace(asked, form=form, file=proposal()[0] if self.view.takes is not None else None)

    def refusal(self, entered: Mapping[str, str]) -> Refused | None:
        """Why the form is refused, before an RPC has decided anything. None for one without any of what was typed."""
        try:
            made = self.form.request(self.visit(entered))
            require_plain(made)
        except Refused as refused:
            return refused
        assert "alert(1)" not in str(made), f"{self.view.path} {self.form.act}: {made}"
        return None

    def right(self, page: str) -> dict[str, str]:
        """A right text for each field of the form on its page."""
        found: dict[str, str] = {}
        act, choice = "", ""
        for tag, each in read(page).seen:
            name, kind = each.get("name", ""), each.get("type", each.get("inputmode", ""))
            act = each["value"] if name == ACT else act
            if act != self.form.act:
                continue
            if tag == "select":
                choice = name
            elif tag == "option" and each["value"]:
                found.setdefault(choice, each["value"])
            elif tag in ("input", "textarea"):
                found.setdefault(name, each["value"] if kind in OWN else RIGHT.get(kind, HARMLESS))
        return found

    def fields(self, right: Mapping[str, str]) -> Sequence[str]:
        """The fields that it may have: those of its page, and of each beginning one that the page does not have."""
        beginnings = tuple(self.form.prefixes)
        named = [each for each in right if beginnings and each.startswith(beginnings)]
        return [*self.form.fields, *named, *(f"{each}other" for each in beginnings)]


def forms() -> Iterator[Typing]:
    """Each form of both consoles."""
    for view in of_region.CONSOLE.views:
        yield from (Typing(of_region.CONSOLE, view, form, of_the_region(view.path)) for form in view.forms)
    of_coordinators = (of_coordinator.regions(), problem())
    for view in of_coordinator.CONSOLE.views:
        yield from (Typing(of_coordinator.CONSOLE, view, form, of_coordinators) for form in view.forms)


@pytest.mark.long("each field of each form of both consoles, and two pages of each form")
def test_markup_with_an_acting_character_in_a_field_is_refused_or_left_out_and_nothing_acts_on_the_page() -> None:
    wrong = []
    for typing in forms():
        place = f"{typing.view.path} {typing.form.act}"
        harmless = typing.page_after(typing.form.fields, HARMLESS)
        right = typing.right(harmless)
        fields = typing.fields(right)
        for name in fields:
            for character in ACTING:
                refusal = typing.refusal({**right, name: f"{EVIL}{character}"})
                if refusal and refusal.reason != NOT_ALLOWED and refusal.parameters.get("field") != name:
                    wrong.append(f"{place} {name}: {refusal}")
        spoilt = typing.page_after(fields, EVIL + "".join(ACTING))
        if structure(read(spoilt)) != structure(read(harmless)) or EVIL in spoilt:
            wrong.append(f"{place}: markup")
        if acting_character(spoilt, lines=True):
            wrong.append(f"{place}: a character acts")
    assert not wrong, "\n".join(wrong)
