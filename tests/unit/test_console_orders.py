"""The page of a new order without a server: its form comes from the catalogue; and the commands of an order."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import grpc
import pytest

from deploy.clients.python.client import seen
from gateway.api.federation.v1.configuration_pb2 import LineKind, Offering, OfferingKind, Plan, ValueType
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideResponse,
    ListOfferingsResponse,
    ListPlansResponse,
)
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import SubmitJointOrderRequest, SubmitJointOrderResponse
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import (
    CancelOrderRequest,
    GetOrderResponse,
    ListOrdersResponse,
    SubmitOrderRequest,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Document, LocalizedText, Requester
from gateway.errors import Refused
from gateway.process.files import FileUnusable
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.web.console.entries import entry
from gateway.web.console.exports import exported
from gateway.web.console.fields import Fields
from gateway.web.console.pages import Visit
from region_node.business.joint.application import JointApplication
from region_node.business.joint.service import JointOrderService
from region_node.business.orders import rules
from region_node.console import new_order
from region_node.console.papers import Papers
from region_node.console.served import document_key
from region_node.customers.documents.rules import hash_of_paper
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.requests.checks import name_requester, require_own_papers
from tests.unit.console_pages import (
    CONSOLE,
    STAFF,
    Answering,
    acts,
    guide,
    order,
    refused,
    shown_by,
    text,
    view_of,
    visit,
    written,
    written_by,
)
from tests.unit.test_complaint_report import read

CHOSEN = "business=SUSPEND&applicant=holder&number=1"
KINDS = (LineKind.LINE_KIND_UNSPECIFIED, LineKind.LINE_KIND_MOBILE, LineKind.LINE_KIND_BROADBAND)


def names(page: str) -> list[str]:
    """The fields of the last form of a page."""
    return [str(each["name"]) for tag, each in read(page).seen if tag in ("input", "select") and "." in each["name"]]


def test_the_form_of_a_business_has_a_field_for_each_characteristic_and_each_paper_of_the_catalogue() -> None:
    found = guide()
    known = names(written(view_of("/orders/new"), found, query=CHOSEN))
    assert known[-1] == "paper.ID_ORIG", "a code and a password are no papers"
    assert [each for each in known if each.startswith("time.")] == ["time.VALUE_TYPE_TIME"]
    assert len(known) == len(found.business.characteristics) + 1
    found.business.characteristics.add(name="colour")
    assert "value.colour" in names(written(view_of("/orders/new"), found, query=CHOSEN))


@pytest.mark.parametrize(
    ("query", "missing"),
    [("business=S", "号码、申请人"), ("business=S&number=1", "申请人"), ("business=S&applicant=holder", "号码")],
)
def test_without_an_applicant_and_a_number_there_is_no_form_yet(query: str, missing: str) -> None:
    page = written(view_of("/orders/new"), guide(), query=query)
    assert ("submit" in acts(page), f"请先填写：{missing}；随后显示受理表单" in page) == (False, True)
    assert "随后显示受理表单" not in written(view_of("/orders/new"), guide(), query=CHOSEN)


def opening(query: str, rule: str = "NEW_LINE", kinds: Sequence[LineKind.ValueType] = KINDS) -> str:
    """The form of a business like another one, at which a region sells plans of some kinds, a contract and a pack."""
    found, (contract, pack) = guide(), (OfferingKind.OFFERING_KIND_CONTRACT, OfferingKind.OFFERING_KIND_PACK)
    found.business.rule = rule
    if rule != "PLAN_CHANGE":
        found.business.home_characteristic = "VALUE_TYPE_REGION"
    plans = ListPlansResponse(plans=[Plan(id=f"plan-{each}", line_kind=each) for each in kinds])
    offerings = ListOfferingsResponse(offerings=[Offering(id="term", kind=contract), Offering(id="more", kind=pack)])
    return written(view_of("/orders/new"), found, plans, offerings, query=f"business=SUSPEND&applicant=holder&{query}")


@pytest.mark.parametrize(("rule", "plans"), [("NEW_LINE", ["plan-0", "plan-1"]), ("BB_INSTALL", ["plan-2"])])
def test_the_form_of_a_new_line_asks_for_its_region_first_and_offers_the_plans_and_contracts_that_fit(
    rule: str, plans: Sequence[str]
) -> None:
    before, page = opening("", rule), opening("region=sichuan", rule)
    assert ("submit" in acts(before), "请先填写：VALUE_TYPE_REGION；随后显示受理表单" in before) == (False, True)
    seen = read(page).seen
    fields = {str(each["name"]): each for tag, each in seen if tag in ("input", "select") and each.get("name")}
    assert "number" not in fields, "the line has none yet"
    assert (fields["value.VALUE_TYPE_REGION"]["type"], fields["value.VALUE_TYPE_REGION"]["value"]) == (
        "hidden",
        "sichuan",
    )
    offered = [str(each["value"]) for tag, each in seen if tag == "option"]
    assert [each for each in offered if each.startswith("plan-")] == plans
    assert ("term" in offered, "more" in offered) == (True, False)


def test_a_business_for_lines_of_each_kind_says_of_which_kind_a_plan_is_where_they_differ() -> None:
    mobile, broadband = LineKind.LINE_KIND_MOBILE, LineKind.LINE_KIND_BROADBAND
    both, one = (opening("number=1", "PLAN_CHANGE", kinds) for kinds in ((mobile, broadband), (mobile, mobile)))
    assert ("plan-1、移动" in both, "plan-2、宽带" in both) == (True, True)
    assert ("plan-1" in one, "移动" in one) == (True, False)


def test_a_node_without_a_key_of_papers_asks_for_no_number_of_a_paper() -> None:
    views = {key: new_order.view(Papers(key)) for key in (bytes(32), None)}
    pages = {key: written(view, guide(), query=CHOSEN) for key, view in views.items()}
    assert {key: "请填写您所查验的每份材料原件的编号" in page for key, page in pages.items()} == {
        bytes(32): True,
        None: False,
    }
    assert not [each for each in names(pages[None]) if each.startswith("paper.")]


def test_a_business_that_is_not_offered_here_has_no_form() -> None:
    found = guide()
    found.offered_here = False
    page = written(view_of("/orders/new"), found, query=CHOSEN)
    assert ("submit" in acts(page), 'role="note"' in page) == (False, True)


@pytest.mark.parametrize(
    ("action", "offered"),
    [
        ("confirm", ["confirm", "expedite", "cancel"]),
        ("accept", ["confirm", "expedite", "cancel"]),
        ("supplement", ["supplement", "expedite", "cancel"]),
        ("review", ["expedite", "cancel"]),
    ],
)
def test_an_order_of_staff_offers_the_commands_that_it_waits_for_and_no_other_order_offers_any(
    action: str, offered: list[str]
) -> None:
    found = taken_in(action)
    view = view_of("/orders/{id:.+}")
    assert acts(written(view, GetOrderResponse(order=found), guide())) == offered
    for operator, origin in (("counter", "guangdong"), ("staff/wang", "sichuan"), ("node/complaints", "guangdong")):
        found.operator, found.origin_region = operator, origin
        assert acts(written(view, GetOrderResponse(order=found), guide())) == []


@pytest.mark.parametrize("part", ["submitted the order", "entered a paper", "verified it earlier", "of another region"])
def test_nobody_is_offered_the_review_of_an_order_in_which_that_person_had_a_part(part: str) -> None:
    found = order()
    found.origin_region = "sichuan" if part == "of another region" else "guangdong"
    had_part = part in ("submitted the order", "entered a paper")
    found.request.requester.staff_id = "clerk-7" if "paper" in part or "earlier" in part else "WANG"
    for paper in found.request.documents:
        paper.verifier, paper.document_id = "wang", "" if part == "entered a paper" else "guangdong/counter/1"
    page = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), guide())
    assert ("review" in acts(page), "由同事决定" in page) == (not had_part, had_part)
    work = written(view_of("/work"), ListOrdersResponse(orders=[found]))
    assert ("由同事" in work) == had_part


def test_the_review_of_a_business_without_documents_offers_no_return_and_misses_no_guide() -> None:
    business = guide()
    page = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=order()), business)
    del business.materials[:]
    bare = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=order()), business)
    assert ['value="return"' in each for each in (page, bare)] == [True, False]
    assert ['value="approve"' in each for each in (page, bare)] == [True, True]
    assert "不能退回" not in bare


def test_an_order_shows_what_was_requested_in_the_words_of_the_catalogue() -> None:
    found, business = order(), guide()
    region, time = (ValueType.Name(each) for each in (ValueType.VALUE_TYPE_REGION, ValueType.VALUE_TYPE_TIME))
    for each in business.business.characteristics:
        each.description.zh_cn = f"项目{each.name}"
    found.request.characteristics.clear()
    found.request.characteristics.update({time: "2026-12-24T01:00:00Z", region: "sichuan", "former": "value"})
    told = read(written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), business)).texts
    page = [text for text in told if text.strip()]
    after = {each: page[page.index(each) + 1] for each in (f"项目{time}", f"项目{region}", "former")}
    assert after == {f"项目{time}": "2026-12-24 01:00 +00:00", f"项目{region}": "sichuan", "former": "value"}


def test_a_form_and_an_order_name_a_choice_in_the_words_of_the_catalogue_and_keep_its_value() -> None:
    found, business = order(), guide()
    card = business.business.characteristics.add(name="card", value_type=ValueType.VALUE_TYPE_CHOICE)
    card.choices.extend(["lost", "stolen"])
    card.choice_names.add(code="lost", name=LocalizedText(en="Lost card", zh_cn="卡丢失"))
    form = written(view_of("/orders/new"), business, query=CHOSEN)
    assert all(
        f'<option value="{each}">{name}</option>' in form for each, name in (("lost", "卡丢失"), ("stolen",) * 2)
    )
    for value, shown in (("lost", "卡丢失"), ("stolen",) * 2):
        found.request.characteristics["card"] = value
        told = read(written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), business)).texts
        page = [text for text in told if text.strip()]
        assert page[page.index("card") + 1] == shown


@pytest.mark.parametrize(
    ("operator", "staff_id", "told"),
    [("counter", "wang", "counter, wang"), ("counter", "", "counter"), ("staff/wang", "wang", "staff/wang")],
)
def test_an_order_names_once_the_member_of_staff_who_submitted_it(operator: str, staff_id: str, told: str) -> None:
    found = order()
    found.operator, found.request.requester.staff_id = operator, staff_id
    texts = read(written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), guide())).texts
    page = [text.strip() for text in texts if text.strip()]
    assert page[page.index("提交人") + 1] == told


@pytest.mark.parametrize("value", ["9999-12-31T23:00:00-05:00", "2026-12-24T01:00", "soon"])
def test_an_order_shows_a_time_that_is_none_as_it_came(value: str) -> None:
    found = order()
    found.request.characteristics[ValueType.Name(ValueType.VALUE_TYPE_TIME)] = value
    assert value in written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), guide())


@pytest.mark.parametrize(
    ("path", "act"),
    [
        *(("/orders/{id:.+}", each) for each in ("supplement", "confirm", "expedite", "cancel")),
        *(("/complaints/{id:.+}", each) for each in ("accept", "refuse", "expedite", "withdraw")),
    ],
)
def test_a_customers_word_came_by_the_channel_that_the_clerk_chose_and_by_none_of_a_customer_alone(
    path: str, act: str
) -> None:
    (form,) = [each for each in view_of(path).forms if each.act == act]

    def requester(channel: str) -> Requester:
        sent = replace(visit(), form=Fields({"agreed": ["yes"], "channel": [channel]}))
        return cast("CancelOrderRequest", form.request(sent)).requester

    assert requester("counter").channel == Channel.CHANNEL_COUNTER
    assert requester("hotline") == Requester(staff_id="wang", channel=Channel.CHANNEL_HOTLINE)
    for alone in ("app", "web", ""):
        assert refused(partial(requester, alone)) == Reason.REASON_REQUEST_INVALID


def test_a_final_order_takes_no_command_and_one_that_nobody_has_decided_is_only_cancelled() -> None:
    found = taken_in("")
    found.version = 0
    assert rules.commands_of(found, "guangdong", "staff/wang") == ["cancel"]
    found.state = OrderState.ORDER_STATE_COMPLETED
    assert rules.commands_of(found, "guangdong", "staff/wang") == ()


def test_a_member_of_staff_is_named_by_the_certificate_and_an_operator_system_names_the_person() -> None:
    requester = Requester(channel=Channel.CHANNEL_COUNTER)
    name_requester(STAFF, requester)
    assert requester.staff_id == "wang"
    li = Requester(staff_id="li", channel=Channel.CHANNEL_COUNTER)
    assert refused(lambda: name_requester(STAFF, li)) == Reason.REASON_STAFF_DIFFERS
    name_requester(Identity(STAFF.federation, Role.ROLE_OPERATOR, "guangdong", "counter"), li)
    assert li.staff_id == "li"


def test_staff_attest_papers_in_no_name_but_their_own_and_operator_systems_in_any() -> None:
    paper = Document(code="ID_ORIG", verifier="li")
    assert refused(lambda: require_own_papers(STAFF, [paper])) == Reason.REASON_STAFF_DIFFERS
    require_own_papers(Identity(STAFF.federation, Role.ROLE_OPERATOR, "guangdong", "counter"), [paper])
    paper.document_id = "guangdong/counter/1"
    require_own_papers(STAFF, [paper, Document(code="ID_ORIG", verifier="wang")])


def test_staff_submit_a_joint_order_in_no_name_but_their_own() -> None:
    paper = Document(code="BIZ_LIC", verifier="li")
    request = SubmitJointOrderRequest(request_id="1", order=OrderRequest(documents=[paper]))
    request.order.requester.channel = Channel.CHANNEL_COUNTER

    async def submit(_: Caller, order: OrderRequest, __: object) -> JointOrder:
        return JointOrder(request=order)

    async def submitted(identity: Identity) -> OrderRequest:
        enter(Call(identity, "SubmitJointOrder", None))
        store = cast("Store", SimpleNamespace(subscribe=lambda *_: None))
        application = cast("JointApplication", SimpleNamespace(submit=submit))
        node, clock = cast("RegionContext", None), cast("Clock", None)
        service = JointOrderService(node, application, store, Changes(store), clock)
        call = cast("grpc.aio.ServicerContext[SubmitJointOrderRequest, SubmitJointOrderResponse]", None)
        return (await service.SubmitJointOrder(request, call)).order.request

    def refused_field() -> str:
        with pytest.raises(Refused, match="STAFF_DIFFERS") as raised:
            asyncio.run(submitted(STAFF))
        return raised.value.parameters["field"]

    assert refused_field() == "documents[0].verifier"
    request.order.documents[0].verifier = "wang"
    assert asyncio.run(submitted(STAFF)).requester.staff_id == "wang", "the certificate names the person"
    request.order.requester.staff_id = "li"
    assert refused_field() == "requester.staff_id"
    request.order.documents[0].verifier = "zhao"
    system = Identity(STAFF.federation, Role.ROLE_OPERATOR, "guangdong", "counter")
    assert asyncio.run(submitted(system)) == request.order


def test_what_is_no_number_attests_no_paper() -> None:
    asked = sent("seen=2026-11-24T12:00:00Z&paper.ID_ORIG=-+-")
    with pytest.raises(Refused) as raised:
        Papers(bytes(32)).documents(asked)
    assert raised.value.parameters["field"] == "paper.ID_ORIG"


@pytest.mark.parametrize("time", ["", "noon", "2026-11-24T12:00:00.9e999Z"])
def test_a_time_of_the_page_that_is_none_attests_no_paper(time: str) -> None:
    with pytest.raises(Refused) as raised:
        Papers(bytes(32)).documents(sent(f"seen={time}&paper.ID_ORIG=1"))
    assert raised.value.parameters["field"] == "seen"


@pytest.mark.parametrize(("request_id", "seen"), [("", "2026-11-24T12:00:00Z"), ("id-1", "2026-11-24T11:00:00Z")])
def test_a_refused_form_attests_its_papers_anew_and_one_whose_outcome_is_unknown_as_before(
    request_id: str, seen: str
) -> None:
    asked = replace(sent("act=submit&seen=2026-11-24T11:00:00Z&paper.ID_ORIG=1"), request_id=request_id)
    fields = Papers(bytes(32)).fields(asked, ["ID_ORIG"])
    assert [each.text for each in entry(asked, "submit", "", "", fields).fields] == ["1", seen]


def amount_entered(typed: str) -> str:
    """The characteristic of an order in whose form somebody has typed an amount."""
    (form,) = view_of("/orders/new").forms
    asked = replace(visit(CHOSEN), form=Fields({"channel": ["counter"], "amount.paid": [typed]}))
    return cast("SubmitOrderRequest", form.request(asked)).order.characteristics["paid"]


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("50.00", "5000"), ("50.5", "5050"), ("50.05", "5005"), ("0.01", "1"), ("9999999999999.99", "999999999999999")],
)
def test_an_amount_of_an_order_is_entered_in_major_units_and_sent_in_minor_ones(typed: str, amount: str) -> None:
    assert amount_entered(typed) == amount


@pytest.mark.parametrize("typed", ["50.005", "5000", "0.00", "fifty", "-5", "1,200.00", "50.", ".5", "５０", "1e3"])
def test_what_is_no_amount_of_two_decimals_is_refused_at_its_field(typed: str) -> None:
    with pytest.raises(Refused) as raised:
        amount_entered(typed)
    assert raised.value.parameters["field"] == "amount.paid"
    asked = replace(visit(CHOSEN), form=Fields({"act": ["submit"], "amount.paid": [typed]}), refused=raised.value)
    page = written_by(CONSOLE, view_of("/orders/new"), asked, Answering(paid()), raised.value)
    assert ('id="submit-amount.paid-problem"' in page, f'value="{typed}"' in page) == (True, True)


def paid() -> GetBusinessGuideResponse:
    """A guide with an amount among the characteristics."""
    found = guide()
    description = text("Amount paid", "交费金额")
    kind = ValueType.VALUE_TYPE_AMOUNT
    found.business.characteristics.add(name="paid", value_type=kind, description=description, required=True)
    return found


def test_an_amount_of_an_order_is_shown_in_major_units_on_its_page_and_in_its_files() -> None:
    assert "交费金额（CNY），例如12.00" in written(view_of("/orders/new"), paid(), query=CHOSEN)
    found = order()
    found.request.characteristics["paid"] = "5005"
    answers = Answering(GetOrderResponse(order=found), paid())
    shown = shown_by(CONSOLE, view_of("/orders/{id:.+}"), visit(), answers)
    assert "50.05 CNY" in written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found), paid())
    rows = [row for table in json.loads(exported(shown, "json").text or "")["tables"] for row in table["rows"]]
    assert [each["值"] for each in rows if each.get("名称") == "交费金额"] == ["50.05 CNY"]
    assert "交费金额,50.05 CNY\r\n" in (exported(shown, "csv").text or "")


def sent(form: str) -> Visit:
    """A visit with a form that was sent."""
    return replace(visit(""), form=Fields.parsed(form))


def test_the_hash_of_a_paper_is_that_of_other_systems_of_the_region() -> None:
    key = bytes(range(32))
    paper = seen("ID_ORIG", "110105 19491231-002x", key)
    assert hash_of_paper(key, "ID_ORIG", "11010519491231002X") == paper.keyed_hash


def test_a_key_of_documents_of_another_length_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "documents.key"
    with pytest.raises(FileUnusable, match=r"documents\.key"):
        document_key(path)
    path.write_bytes(bytes(31))
    with pytest.raises(FileUnusable, match="31 bytes"):
        document_key(path)
    path.write_bytes(bytes(32))
    assert (document_key(path), document_key(None)) == (bytes(32), None)


def taken_in(action: str) -> Order:
    """An order that a member of Guangdong's staff has taken in, and that waits for an action at home."""
    found = order()
    found.operator, found.origin_region, found.home_region = "staff/li", "guangdong", "sichuan"
    found.version, found.awaiting.action = 1, action
    return found


def test_the_results_of_an_order_are_named_and_written_for_people() -> None:
    found = order()
    found.results.clear()
    found.results.update(
        {
            "balance_minor_units": "-46714",
            "refund_minor_units": "5",
            "settles": "2026-12-02T01:17:04+00:00",
            "installer_visit": "08:30",
        }
    )
    page = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found))
    for told in ("余额", "-467.14 CNY", "退还金额", "0.05 CNY", "账单可查询时间起", "installer_visit", "08:30"):
        assert told in page
    assert ("minor_units" in page, "01:17:04" in page) == (False, False)


def test_a_result_that_is_no_amount_stays_as_the_region_has_sent_it() -> None:
    found = order()
    found.results.clear()
    found.results.update({"balance_minor_units": "a lot", "settles": "soon"})
    page = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found))
    assert ("a lot" in page, "soon" in page) == (True, True)


@pytest.mark.parametrize(("reason", "told"), [("to be confirmed", "待客户确认"), ("to be accepted", "待客户验收")])
def test_the_course_of_an_order_says_in_chinese_what_the_customer_is_asked(reason: str, told: str) -> None:
    found = order()
    found.state_changes.add(state=OrderState.ORDER_STATE_PENDING, region="sichuan", reason=reason)
    page = written(view_of("/orders/{id:.+}"), GetOrderResponse(order=found))
    assert (told in page, "待答复" in page, reason in page) == (True, True, False)
