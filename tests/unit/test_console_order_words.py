"""The words and choices of the pages of orders, in the language of their reader: labels, plans, and services."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import Offering, OfferingKind, Plan, ValueType
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideResponse,
    ListBusinessesResponse,
    ListOfferingsResponse,
    ListPlansResponse,
)
from gateway.api.region.v1.customer_service_pb2 import Customer, GetCustomerResponse
from gateway.api.region.v1.joint_order_pb2 import JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import GetJointOrderResponse
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from gateway.web.console.fields import Fields
from gateway.web.console.pages import Rpc
from gateway.wording.languages import for_reader
from gateway.wording.terms import characteristic_label, characteristic_words
from tests.unit.console_pages import (
    CONSOLE,
    NOW,
    NUMBER,
    TEXTS,
    Answering,
    M,
    frame,
    guide,
    joint_order,
    order,
    pages_of,
    read_by,
    text,
    view_of,
    visit,
    written,
    written_by,
)
from tests.unit.test_complaint_report import read

PAGE, JOINT, NEW = view_of("/orders/{id:.+}"), view_of("/joint-orders/{id:.+}"), view_of("/orders/new")
CHOSEN = "business=SUSPEND&applicant=holder&number=1"
ENDING = f"business=VAS_CANCEL&applicant=holder&number={quote(NUMBER)}"
PLANS = ListPlansResponse(plans=[Plan(id="gd-59", name=text("Basic", "畅享"))])
CONTRACT = OfferingKind.OFFERING_KIND_CONTRACT


def planned(described: LocalizedText) -> GetBusinessGuideResponse:
    """The guide of a business, of which one characteristic is a plan."""
    found = guide()
    found.business.characteristics.add(
        name="newPlan", value_type=ValueType.VALUE_TYPE_PLAN, description=described, required=True
    )
    return found


@pytest.mark.parametrize(
    ("language", "described", "label", "hint"),
    [
        ("en", text("New plan: one of the home region", "新套餐：须在售"), "New plan", "one of the home region"),
        ("zh", text("New plan: one of the home region", "新套餐：须在售：全部"), "新套餐", "须在售：全部"),
        ("en", text("The id of the new plan", "新套餐的编号"), "The id of the new plan", ""),
        ("zh", text("The id of the new plan", "新套餐的编号"), "新套餐的编号", ""),
        ("en", text("Visit at 12:30", "12:30上门"), "Visit at 12:30", ""),
        ("en", text("", ""), "newPlan", ""),
    ],
)
def test_the_words_before_a_colon_are_the_label_of_a_characteristic_and_the_rest_is_its_hint(
    language: str, described: LocalizedText, label: str, hint: str
) -> None:
    known = planned(described).business.characteristics[-1]
    with for_reader(language, TEXTS):
        assert (characteristic_label(known), characteristic_words(known)) == (label, (label, hint))


def test_the_form_of_a_new_order_ties_a_field_to_its_hint_and_beside_it_no_refusal_has_its_key() -> None:
    business = planned(text("New plan: one of the region", "新套餐：须在售"))
    page = written(NEW, business, PLANS, query=CHOSEN)
    field = next(each for tag, each in read(page).seen if tag == "select" and each.get("name") == "value.newPlan")
    assert (">新套餐</label>" in page, field["aria-describedby"] in page.split('<p class="soft" id="')[-1]) == (
        True,
        True,
    )
    refused = Refused(Reason.REASON_CHARACTERISTIC_MISSING, business="SUSPEND", name="newPlan")
    asked = replace(visit(CHOSEN), form=Fields.parsed("act=submit&value.newPlan="), refused=refused)
    again = written_by(CONSOLE, NEW, asked, Answering(business, PLANS))
    assert '-problem">停机需要填写新套餐。</p>' in again


@pytest.mark.parametrize(("language", "label", "name"), [("zh", "新套餐", "畅享"), ("en", "New plan", "Basic")])
def test_an_order_and_a_joint_order_have_the_name_of_a_plan_in_the_language_of_their_reader(
    language: str, label: str, name: str
) -> None:
    business = planned(text("New plan: one of the region", "新套餐：须在售"))
    plain, joint = order(), joint_order()
    joint.places.extend(JointPlace(region=each) for each in ("sichuan", "henan")[len(joint.places) :])
    for each in (plain, joint):
        each.request.characteristics["newPlan"] = "gd-59"
    plain.results["plan"] = "gd-59"
    for view, *answers in (
        (PAGE, GetOrderResponse(order=plain), business, PLANS),
        (JOINT, GetJointOrderResponse(order=joint), business, PLANS),
    ):
        found = asyncio.run(read_by(view, visit(), Answering(*answers)))
        with for_reader(language, TEXTS):
            shown = view.show(visit(), found)
            html = pages_of(CONSOLE.templates).written(
                shown.template, shown.title, language, shown.page, frame(CONSOLE, shown, None)
            )
        page = [each for each in read(html).texts if each.strip()]
        assert name in page[page.index(label) + 1]
        assert "newPlan" not in page


def test_an_order_shows_the_id_of_a_plan_that_is_sold_no_more_or_whose_list_is_refused() -> None:
    business, found = planned(text("New plan", "新套餐")), order()
    found.request.characteristics["newPlan"] = "gd-old"

    class Refusing(Answering):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            if rpc.answer is ListPlansResponse:
                raise Refused(Reason.REASON_REGION_UNKNOWN, region="guangdong")
            return await super().ask(rpc, request)

    for calling in (Answering, Refusing):
        answers = calling(GetOrderResponse(order=found), business, PLANS)
        page = [each for each in read(written_by(CONSOLE, PAGE, visit(), answers)).texts if each.strip()]
        assert page[page.index("新套餐") + 1] == "gd-old"


def having(*subscriptions: tuple[str, int | None]) -> GetCustomerResponse:
    """A customer with subscriptions that began a day ago, each with its end in hours from now, or without any."""
    found = Customer()
    for offering, hours in subscriptions:
        told = found.product.subscriptions.add(offering_id=offering, start_time=to_timestamp(NOW - timedelta(days=1)))
        if hours is not None:
            told.end_time.CopyFrom(to_timestamp(NOW + timedelta(hours=hours)))
    return GetCustomerResponse(customer=found)


def ending(*answers: Message, home: str = "guangdong", query: str = ENDING) -> Sequence[str]:
    """The services that the form of VAS_CANCEL offers for a number of a region."""
    found = guide()
    found.business.code, found.home_region = "VAS_CANCEL", home
    del found.business.characteristics[:]
    found.business.characteristics.add(name="offering", value_type=ValueType.VALUE_TYPE_OFFERING)
    sold = ListOfferingsResponse(
        offerings=[Offering(id="term", kind=CONTRACT), *(Offering(id=each) for each in ("data", "music", "roam"))]
    )
    page = written(NEW, found, sold, *answers, query=query)
    _, _, fields = page.partition('name="value.offering"')
    return [str(each["value"]) for tag, each in read(fields.partition("</select>")[0]).seen if tag == "option"][1:]


def test_the_form_that_ends_a_service_offers_those_that_run_for_the_line_and_no_contract() -> None:
    line = having(("music", None), ("old", 2), ("data", -2), ("term", None), ("music", 2))
    assert ending(line) == ["music", "old"], "also one that is sold no more"


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
def test_the_form_that_ends_a_service_offers_all_that_is_sold_where_those_of_the_line_are_not_known(home: str) -> None:
    known = () if home == "guangdong" else (having(("music", None)),)
    assert ending(*known, home=home) == ["term", "data", "music", "roam"]


def test_the_number_of_a_customer_stays_beside_the_region_of_a_further_line_and_is_not_that_of_its_order() -> None:
    business = guide()
    business.business.home_characteristic = "VALUE_TYPE_REGION"
    list_page = written(NEW, ListBusinessesResponse(businesses=[business.business]), query=f"number={quote(NUMBER)}")
    leads = [str(each["href"]) for tag, each in read(list_page).seen if tag == "a" and "business=" in str(each)]
    assert leads == [f"/console/orders/new?business=SUSPEND&customer={quote(NUMBER)}"]
    query = f"business=SUSPEND&applicant=holder&region=sichuan&customer={quote(NUMBER)}"
    page = written(NEW, business, query=query)
    kept, _, form = page[page.index('class="filters"') :].partition("</form>")
    assert f'<input type="hidden" name="customer" value="{NUMBER}">' in kept
    assert (f"/console/orders/new?number={quote(NUMBER)}" in kept, NUMBER in form) == (True, False)
    (submit,) = NEW.forms
    sent = replace(visit(query), form=Fields.parsed("seen=2026-11-24T12:00:00Z&channel=counter"))
    assert NUMBER not in str(submit.request(sent))
