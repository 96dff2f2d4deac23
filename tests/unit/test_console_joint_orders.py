"""The pages of joint orders at a region: the steps that they offer, what these become, and the work that waits."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind, LineKind, Plan
from gateway.api.federation.v1.terms_pb2 import CodeTerm, RegionTerm, Terms
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideResponse,
    ListOfferingsRequest,
    ListPlansRequest,
    ListPlansResponse,
)
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import (
    GetJointOrderResponse,
    ListJointOrdersResponse,
    SubmitJointOrderRequest,
    WorkOnJointOrderRequest,
    WorkOnJointOrderResponse,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from gateway.web.console.exports import exported
from gateway.web.console.fields import Fields
from gateway.web.console.pages import Rpc
from gateway.wording.languages import for_reader
from gateway.wording.terms import learn
from region_node.console import new_joint_order
from region_node.console.papers import Papers
from tests.unit.console_pages import (
    CONSOLE,
    NOW,
    NUMBER,
    TEXTS,
    Answering,
    M,
    acts,
    frame,
    guide,
    joint_order,
    pages_of,
    read_by,
    refused,
    shown_by,
    text,
    view_of,
    visit,
    written,
    written_by,
)
from tests.unit.situations import FEDERATION
from tests.unit.test_complaint_report import read

PAGE, NEW = view_of("/joint-orders/{id:.+}"), view_of("/joint-orders/new")
REGIONS = "region.1=sichuan&region.2=henan"
WHOLE = f"applicant=holder&number={quote(NUMBER)}&{REGIONS}"
ADDRESSES = f"address.1={quote('旧址')}&address.2={quote('新址')}"
ENTERED = f"act=submit&channel=counter&{REGIONS}&{ADDRESSES}&value.plan=henan-59"
SURVEYING = JointItemState.JOINT_ITEM_STATE_SURVEYING
HELD = JointItemState.JOINT_ITEM_STATE_HELD
AT_WORK = JointItemState.JOINT_ITEM_STATE_IN_PROGRESS
RESERVED = JointItemState.JOINT_ITEM_STATE_RESERVED
REFUSED = JointItemState.JOINT_ITEM_STATE_REFUSED
RELEASED = JointItemState.JOINT_ITEM_STATE_RELEASED
EXPIRED = JointItemState.JOINT_ITEM_STATE_EXPIRED
COMPLETED = JointItemState.JOINT_ITEM_STATE_COMPLETED
COMMITTED = JointItemState.JOINT_ITEM_STATE_COMMITTED
STATES = JointOrderState
SYSTEM_REFUSED = Reason.REASON_JOINT_SYSTEM_REFUSED
UNANSWERED = Reason.REASON_PROVIDER_UNAVAILABLE


def new_order(query: str, *answers: Message, form: str = "", refusal: Refused | None = None) -> str:
    """The page of a new joint order with a query, on which the customer moves from Sichuan."""
    given = answers or (moving(),)
    asked = replace(visit(f"business=BB_MOVE&{query}"), form=Fields.parsed(form), refused=refusal)
    found = asyncio.run(read_by(NEW, asked, Answering(*given)))
    with for_reader("zh", TEXTS):
        learn(Terms(regions=[RegionTerm(region=each) for each in ("sichuan", "henan")]))
        shown = NEW.show(asked, found)
        framed = frame(CONSOLE, shown, refusal)
        return pages_of(CONSOLE.templates).written(shown.template, shown.title, "zh", shown.page, framed)


def moving(home: str = "sichuan") -> GetBusinessGuideResponse:
    """The guide of the move of broadband, for a number with a home."""
    business = FEDERATION.business("BB_MOVE")
    materials = FEDERATION.materials_of(business)
    return GetBusinessGuideResponse(business=business, materials=materials, home_region=home, offered_here=True)


def decided(state: JointItemState.ValueType, *, error: Reason.ValueType | None = None) -> JointOrder:
    """A joint order behind its decision, whose item of this region is in a state."""
    found = joint_order()
    found.state, found.items[0].state = STATES.JOINT_ORDER_STATE_IN_PROGRESS, state
    found.items[0].ClearField("error")
    if error is not None:
        found.items[0].error.reason = error
    return found


def offered(order: JointOrder) -> list[str]:
    """The forms of the page of a joint order."""
    return acts(written(PAGE, GetJointOrderResponse(order=order)))


@pytest.mark.parametrize(
    ("state", "error", "steps"),
    [
        (SURVEYING, None, "reserve refuse"),
        (SURVEYING, UNANSWERED, "reserve refuse"),
        (RESERVED, None, ""),
        (EXPIRED, UNANSWERED, ""),
        (HELD, None, "reserve"),
        (HELD, SYSTEM_REFUSED, "reserve ask_again"),
        (HELD, UNANSWERED, "reserve"),
        (COMMITTED, None, ""),
        (AT_WORK, None, "reach"),
        (AT_WORK, SYSTEM_REFUSED, "reach ask_again"),
        (AT_WORK, UNANSWERED, "reach"),
        (REFUSED, SYSTEM_REFUSED, ""),
        (RELEASED, None, ""),
        (RELEASED, SYSTEM_REFUSED, "ask_again"),
        (RELEASED, UNANSWERED, ""),
        (RELEASED, Reason.REASON_NOT_VERIFIED, ""),
    ],
)
def test_a_joint_order_offers_the_steps_that_the_items_of_the_region_leave_to_its_staff(
    state: JointItemState.ValueType, error: Reason.ValueType | None, steps: str
) -> None:
    found = decided(state, error=error)
    assert offered(found) == steps.split()
    found.items[0].region = "henan"
    assert offered(found) == []


@pytest.mark.parametrize(
    ("until", "steps"), [(timedelta(hours=1), "verify refuse"), (timedelta(), "verify reserve refuse")]
)
def test_an_item_that_ends_a_line_is_not_reserved_before_the_customer_has_agreed_or_the_wait_is_over(
    until: timedelta, steps: str
) -> None:
    found = decided(SURVEYING, error=Reason.REASON_NOT_VERIFIED)
    found.items[0].verify_until_time.CopyFrom(to_timestamp(NOW + until))
    assert offered(found) == steps.split()


def test_the_page_of_a_joint_order_names_a_document_on_file_as_the_catalogue_does_with_its_id() -> None:
    order = joint_order()
    order.request.documents.add(code="ID_ORIG", verifier="wang", document_id="D-17")
    found = asyncio.run(read_by(PAGE, visit(), Answering(GetJointOrderResponse(order=order), guide())))
    with for_reader("zh", TEXTS):
        learn(Terms(materials=[CodeTerm(code="ID_ORIG", name=text("identity card", "身份证"))]))
        told = [row[0] for table in PAGE.show(visit(), found).tables for row in table.rows]
    assert [each.text for each in told if each.note == "D-17"] == ["身份证（ID_ORIG）"]


def test_each_part_of_a_joint_order_names_an_item_as_the_catalogue_does() -> None:
    order = joint_order()
    order.items[0].milestones[0].reach_time.CopyFrom(to_timestamp(NOW))
    order.items[0].verify_until_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1)))
    found = asyncio.run(read_by(PAGE, visit(), Answering(GetJointOrderResponse(order=order))))
    with for_reader("zh", TEXTS):
        learn(Terms(joint_items=[CodeTerm(code="BB_MOVE/install", name=text("Installation", "新址装机"))]))
        tables = PAGE.show(visit(), found).tables
    told = [cell.text for table in tables for row in table.rows for cell in row if "install" in cell.text]
    # A fact of its proof and of its line, the list of items, who has it, two milestones, and one in the course.
    assert len(told) == 7, told
    assert all("新址装机（install）" in each for each in told)


def test_the_leading_region_alone_cancels_a_joint_order_before_the_decision() -> None:
    found = joint_order()
    assert "cancel" in offered(found)
    found.leader_region = "henan"
    assert "cancel" not in offered(found)
    assert "cancel" not in offered(decided(SURVEYING))


def fields_of(page: str) -> list[str]:
    """The fields that the form and the filters of a page have."""
    return [str(each["name"]) for tag, each in read(page).seen if tag in ("input", "select") and "." in each["name"]]


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("", "号码、申请人、地点1：旧址拆机、地点2：新址装机"),
        (WHOLE.replace(REGIONS, ""), "地点2：新址装机"),
        (WHOLE.replace("applicant=holder", ""), "申请人"),
        (WHOLE.replace("region.2=henan", "region.2="), "地点2：新址装机"),
    ],
)
def test_the_form_of_a_joint_order_waits_for_its_applicant_its_line_and_the_region_of_each_place(
    query: str, missing: str
) -> None:
    page = new_order(query)
    assert ("submit" in acts(page), f"请先填写：{missing}；" in page) == (False, True)
    assert ("submit" in acts(new_order(WHOLE)), "请先填写" in new_order(WHOLE)) == (True, False)


def test_the_form_of_a_joint_order_has_an_address_of_each_place_and_the_fields_of_the_catalogue() -> None:
    known = fields_of(new_order(WHOLE))
    assert [each for each in known if each.startswith(("region.", "address."))] == [
        *("region.1", "region.2"),  # the choices beside the number
        *("region.1", "address.1"),
        *("region.2", "address.2"),
    ]
    assert {"value.plan", "value.name", "value.contract", "paper.ID_ORIG", "paper.ADDR"} <= {*known}


def test_a_business_of_many_places_offers_one_more_until_it_has_all() -> None:
    guide = GetBusinessGuideResponse(business=FEDERATION.business("LEASED_LINE"), offered_here=True)
    for count, shown in ((0, 2), (2, 3), (19, 20), (20, 20)):
        query = "&".join(f"region.{place}=henan" for place in range(1, count + 1))
        page = new_order(f"applicant=enterprise&{query}", guide)
        assert page.count('<select id="region.') == shown, count
        assert ("submit" in acts(page)) == (count > 0), "a leased line needs no number"


def test_a_business_with_more_places_than_it_has_is_refused_at_the_first_one_with_the_most() -> None:
    with pytest.raises(Refused) as raised:
        new_order(f"{WHOLE}&region.4=henan")
    assert raised.value.parameters["field"] == "region.3"
    assert raised.value.parameters["problem"] == "there are at most 2 places"


def test_each_of_the_two_forms_refuses_a_business_that_the_other_one_orders_and_neither_takes_a_query() -> None:
    plain, query = (
        GetBusinessGuideResponse(business=FEDERATION.business(each), offered_here=True)
        for each in ("SUSPEND", "QRY_BILL")
    )
    for path, found, reason in (
        ("/joint-orders/new", plain, Reason.REASON_BUSINESS_NOT_JOINT),
        ("/orders/new", moving(), Reason.REASON_BUSINESS_IS_JOINT),
        ("/orders/new", query, Reason.REASON_REQUEST_INVALID),
    ):
        read = read_by(view_of(path), visit(f"business={found.business.code}"), Answering(found))
        assert refused(partial(asyncio.run, read)) == reason


@pytest.mark.parametrize("query", [WHOLE, "", "number=1"])
def test_without_a_key_of_papers_the_page_says_that_an_operator_system_submits_joint_orders_and_has_no_form(
    query: str,
) -> None:
    view, asked = new_joint_order.view(Papers(None)), visit(f"business=BB_MOVE&{query}")
    assert "本节点未配置材料密钥：联办订单由业务系统提交。" in shown_by(CONSOLE, view, asked, Answering(moving())).notes
    page = written_by(CONSOLE, view, asked, Answering(moving()))
    assert ("submit" in acts(page), "随后显示受理表单" in page) == (False, False)


def test_a_joint_order_without_papers_needs_no_key_of_papers() -> None:
    guide = moving()
    del guide.business.documents[:]
    guide.business.documents.add(applicant=Applicant.APPLICANT_HOLDER)
    view = new_joint_order.view(Papers(None))
    page = written_by(CONSOLE, view, visit(f"business=BB_MOVE&{WHOLE}"), Answering(guide))
    assert ("submit" in acts(page), "本节点未配置材料密钥" in page) == (True, False)


def test_the_plans_of_a_joint_order_are_those_of_the_region_in_which_it_opens_a_line() -> None:
    asked = list[Message]()

    class Noting(Answering):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            asked.append(request)
            return await super().ask(rpc, request)

    asyncio.run(read_by(NEW, visit(f"business=BB_MOVE&{WHOLE}"), Noting(moving())))
    assert [each.region for each in asked if isinstance(each, ListPlansRequest | ListOfferingsRequest)] == ["henan"] * 2


def test_the_plans_of_a_joint_order_are_those_of_the_kind_of_line_that_it_opens() -> None:
    broadband, mobile = (
        Plan(id=f"henan-{kind}", region="henan", line_kind=kind)
        for kind in (LineKind.LINE_KIND_BROADBAND, LineKind.LINE_KIND_UNSPECIFIED)
    )
    page = new_order(WHOLE, moving(), ListPlansResponse(plans=[broadband, mobile]))
    assert (f'value="{broadband.id}"' in page, f'value="{mobile.id}"' in page) == (True, False)


@pytest.mark.parametrize("other", ["", "&region.1=henan"])
def test_a_line_ends_in_the_home_region_of_its_number_also_where_the_address_has_that_of_another_number(
    other: str,
) -> None:
    page = new_order(f"applicant=holder&number={quote(NUMBER)}&region.2=henan{other}")
    chosen = [each["value"] for tag, each in read(page).seen if tag == "option" and "selected" in each]
    assert chosen[:3] == ["holder", "sichuan", "henan"]
    sent = [each["value"] for _, each in read(page).seen if each.get("type") == "hidden" and "region." in each["name"]]
    assert sent == ["sichuan", "henan"]


def test_a_joint_order_has_the_places_of_the_form_in_their_order_with_their_addresses() -> None:
    (form,) = NEW.forms
    asked = replace(visit(f"business=BB_MOVE&{WHOLE}"), form=Fields.parsed(ENTERED), request_id="R7")
    made = form.request(asked)
    assert isinstance(made, SubmitJointOrderRequest)
    assert [(each.region, each.address) for each in made.places] == [("sichuan", "旧址"), ("henan", "新址")]
    order = made.order
    assert (made.request_id, order.business, order.number, order.characteristics["plan"]) == (
        "R7",
        "BB_MOVE",
        NUMBER,
        "henan-59",
    )
    assert order.requester.staff_id == "wang"


def test_a_refused_address_of_a_place_stands_at_its_field_and_what_was_entered_stays() -> None:
    page = new_order(WHOLE, form=ENTERED, refusal=invalid("places[1].address", "is long", "过长"))
    assert [part.split('"')[0] for part in page.split('id="')[1:] if part.split('"')[0].endswith("-problem")] == [
        "submit-address.2-problem"
    ]
    assert 'value="旧址"' in page


def test_a_step_is_offered_for_the_items_that_allow_it_and_a_milestone_is_the_next_one() -> None:
    found = decided(AT_WORK)
    found.items[0].milestones[0].reach_time.CopyFrom(to_timestamp(NOW))
    found.items[1].region, found.items[1].state = "guangdong", RESERVED
    page = written(PAGE, GetJointOrderResponse(order=found))
    options = page[page.index('id="reach-item"') : page.index("</form>", page.index('id="reach-item"'))]
    assert [each in options for each in ('value="install" selected', 'value="remove"')] == [True, False]
    assert [each in options for each in ('value="contract"', 'value="survey"', 'value="test"')] == [True, False, False]


def test_the_fields_of_a_step_become_its_request_for_the_chosen_item() -> None:
    forms = {each.act: each for each in PAGE.forms}

    def filled(act: str, fields: Mapping[str, str]) -> WorkOnJointOrderRequest:
        asked = replace(visit(id="guangdong/J1"), form=Fields({name: [said] for name, said in fields.items()}))
        with for_reader("zh", TEXTS):
            return cast("WorkOnJointOrderRequest", forms[act].request(asked))

    of_item = WorkOnJointOrderRequest(joint_order_id="guangdong/J1", item_id="install")
    expected = {
        "reserve": WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve()),
        "refuse": WorkOnJointOrderRequest(refuse="no duct"),
        "reach": WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_HAND_OVER),
        "ask_again": WorkOnJointOrderRequest(ask_again=WorkOnJointOrderRequest.AskAgain()),
        "verify": WorkOnJointOrderRequest(verify=WorkOnJointOrderRequest.Verify()),
    }
    for act, request in expected.items():
        request.MergeFrom(of_item)
        assert filled(act, {"item": "install", "refuse": "no duct", "reach": "handOver"}) == request, act
    nothing: Callable[[], object] = partial(filled, "reach", {"item": "install", "reach": ""})
    assert refused(nothing) == Reason.REASON_REQUEST_INVALID


def test_a_step_that_was_refused_keeps_what_was_entered_also_where_it_is_not_offered_any_more() -> None:
    found = decided(RESERVED)
    sent = Fields({"act": ["refuse"], "item": ["install"], "refuse": ["no duct"]})
    asked = replace(visit(), form=sent, refused=invalid("refuse", "it is long", "过长"))
    page = written_by(CONSOLE, PAGE, asked, Answering(GetJointOrderResponse(order=found)))
    assert acts(page) == ["refuse"]
    assert ("no duct</textarea>" in page, 'value="install" selected' in page) == (True, True)


def test_a_refused_step_keeps_the_item_and_the_milestone_that_were_chosen_beside_those_that_are_offered() -> None:
    found = decided(AT_WORK)
    by_colleague, own = found.items
    own.region, own.state, by_colleague.state = "guangdong", AT_WORK, COMPLETED
    own.milestones.add(kind=JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE)
    for reached in (*by_colleague.milestones, *own.milestones[:2]):
        reached.reach_time.CopyFrom(to_timestamp(NOW))
    sent = Fields({"act": ["reach"], "item": ["install"], "reach": ["contract"]})
    asked = replace(visit(), form=sent, request_id="R3", refused=Refused(Reason.REASON_TOO_BUSY))
    page = written_by(CONSOLE, PAGE, asked, Answering(GetJointOrderResponse(order=found)))
    form = page[page.index('id="reach-item"') : page.index("</form>", page.index('id="reach-item"'))]
    chosen = [f'value="{each}" selected' in form for each in ("install", "contract")]
    offered_beside = [f'value="{each}"' in form for each in ("remove", "configure", "survey")]
    assert (chosen, offered_beside) == ([True, True], [True, True, False])


def test_a_step_that_is_done_is_answered_with_the_state_in_which_it_has_left_its_item() -> None:
    reserve = next(each for each in PAGE.forms if each.act == "reserve")
    asked = replace(visit(), form=Fields({"act": ["reserve"], "item": ["install"]}))
    with for_reader("zh", TEXTS):
        told = reserve.done(asked, WorkOnJointOrderResponse(order=decided(REFUSED)))
    assert told == "已完成。install当前状态：拒绝。"


def test_a_file_of_a_joint_order_has_its_facts_items_milestones_and_course() -> None:
    shown = shown_by(CONSOLE, PAGE, visit(), Answering(GetJointOrderResponse(order=joint_order())))
    told = exported(shown, "json").text or ""
    labels = [each["label"] for each in json.loads(told)["tables"]]
    assert labels == ["联办订单", "事项", "当前由谁处理", "里程碑", "材料", "办理内容", "办理过程"]
    for each in ("+8619844000001", "+8619844000009", "1 Road", "no free duct", "changed my mind", "1 Gbit/s"):
        assert each in told, each
        assert each in (exported(shown, "csv").text or ""), each


def test_the_work_list_has_the_awaited_items_that_are_at_work_in_the_region_with_their_own_due_time() -> None:
    own, released, others = joint_order(), joint_order(), joint_order()
    own.awaiting[1].region, own.awaiting[1].due_time.seconds = "guangdong", 1
    released.id, others.id, others.awaiting[0].region = "guangdong/J2", "guangdong/J3", "henan"
    released.awaiting[0].ClearField("milestone")
    ended = joint_order()
    ended.id, ended.items[0].state, ended.items[1].state = "guangdong/J4", EXPIRED, RESERVED
    ended.awaiting[1].region = "guangdong"
    found = ListJointOrdersResponse(orders=[own, released, others, ended])

    def rows(query: str) -> list[tuple[str, str]]:
        table = shown_by(CONSOLE, view_of("/work"), visit(query), Answering(found)).tables[0]
        return [(cells[1].text, cells[0].badge) for cells in table.rows]

    assert rows("kind=joint") == [(f"{own.id} remove", "late"), (f"{own.id} install", "near")]
    assert rows("kind=joint&within=0") == [(f"{own.id} remove", "late")]
    endless = ListJointOrdersResponse(orders=[own], next_page_token="T")
    assert 'href="/console/joint-orders"' in written(view_of("/work"), endless, query="kind=joint")


def test_the_page_of_a_joint_order_shows_what_the_items_of_lines_wait_for_and_have_opened() -> None:
    found = joint_order()
    found.items[0].verify_until_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1)))
    page = written(PAGE, GetJointOrderResponse(order=found))
    assert "install等待机主本人验证，截止" in page
    assert 'href="/console/customers?number=%2B8619844000009"' in page
    found.items[0].CopyFrom(JointItem(id="install", region="guangdong"))
    assert "install等待" not in written(PAGE, GetJointOrderResponse(order=found))
