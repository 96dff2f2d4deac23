"""The pages of faults, support requests and issues: the steps that they offer, and the requests that these become."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.federation.v1.problem_pb2 import NetworkElementKind, PerceivedSeverity
from gateway.api.federation.v1.terms_pb2 import RegionTerm, Terms
from gateway.api.region.v1.alarm_pb2 import AlarmAckState, AlarmState, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import GetAlarmResponse, ListAlarmsResponse
from gateway.api.region.v1.catalogue_service_pb2 import ListPlansResponse
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse
from gateway.api.region.v1.customer_service_pb2 import GetCustomerResponse
from gateway.api.region.v1.document_service_pb2 import ListDocumentsResponse, RegisteredDocument
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultState
from gateway.api.region.v1.fault_service_pb2 import (
    FindPlacesResponse,
    GetFaultResponse,
    ListFaultsResponse,
    WorkOnFaultRequest,
)
from gateway.api.region.v1.followed_problem_service_pb2 import ListFollowedProblemsResponse
from gateway.api.region.v1.import_service_pb2 import ListImportsResponse
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.api.region.v1.issue_service_pb2 import GetIssueResponse, ListIssuesResponse, WorkOnIssueRequest
from gateway.api.region.v1.notice_service_pb2 import ListNoticesResponse, Notice
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse
from gateway.api.region.v1.planned_outage_service_pb2 import ListPlannedOutagesResponse
from gateway.api.region.v1.support_request_pb2 import SupportState
from gateway.api.region.v1.support_service_pb2 import GetSupportRequestResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from gateway.web.console.exports import exported
from gateway.web.console.fields import Fields
from gateway.web.console.pages import Rpc
from gateway.wording.languages import for_reader
from gateway.wording.terms import learn
from gateway.wording.times import show_times_of
from region_node.console.words import alarm_path, notice_name
from region_node.customers.notices.rules import PURPOSES
from region_node.network.faults.places import MOST_FOUND
from tests.unit.console_pages import (
    CONSOLE,
    NOW,
    NUMBER,
    TEXTS,
    Answering,
    M,
    acts,
    alarm,
    complaint,
    customer,
    fault,
    issue,
    network,
    order,
    proofs,
    quality,
    refused,
    shown_by,
    support_request,
    view_of,
    visit,
    written,
    written_by,
)

STEPS_OF_FAULT = {
    FaultState.FAULT_STATE_ACKNOWLEDGED: ["take_up", "reject", "estimate"],
    FaultState.FAULT_STATE_IN_PROGRESS: ["hold", "ask_customer", "estimate"],
    FaultState.FAULT_STATE_RESOLVED: ["assess", "reach", "close"],
    FaultState.FAULT_STATE_CLOSED: ["reopen", "note", "not_repaired", "evaluation"],
    FaultState.FAULT_STATE_REJECTED: [],
}


@pytest.mark.parametrize(("state", "first"), STEPS_OF_FAULT.items())
def test_a_fault_offers_the_steps_that_its_state_allows_to_the_region_that_owns_it(
    state: FaultState.ValueType, first: list[str]
) -> None:
    found = fault()
    found.state = state
    own = acts(written(view_of("/faults/{id:.+}"), GetFaultResponse(fault=found)))
    assert own[: len(first)] == first
    assert bool(own) == bool(first)
    found.owner_region = "sichuan"
    passed_on = acts(written(view_of("/faults/{id:.+}"), GetFaultResponse(fault=found)))
    assert set(passed_on) <= {"text", "accepted_part", "refused_part", "not_repaired", "evaluation", "cancel"}
    found.origin_region = "hunan"
    assert acts(written(view_of("/faults/{id:.+}"), GetFaultResponse(fault=found))) == []


@pytest.mark.parametrize(
    ("owner", "origin", "state", "offered"),
    [
        ("guangdong", "sichuan", SupportState.SUPPORT_STATE_ACKNOWLEDGED, ["note", "take_up", "resolve"]),
        ("sichuan", "guangdong", SupportState.SUPPORT_STATE_ACKNOWLEDGED, ["note"]),
        ("guangdong", "sichuan", SupportState.SUPPORT_STATE_RESOLVED, ["note"]),
        ("sichuan", "guangdong", SupportState.SUPPORT_STATE_RESOLVED, ["note", "close", "reopen"]),
        ("guangdong", "guangdong", SupportState.SUPPORT_STATE_CLOSED, []),
        ("sichuan", "hunan", SupportState.SUPPORT_STATE_RESOLVED, []),
    ],
)
def test_a_support_request_offers_each_region_its_own_steps(
    owner: str, origin: str, state: SupportState.ValueType, offered: list[str]
) -> None:
    found = support_request()
    found.owner_region, found.origin_region, found.state = owner, origin, state
    assert acts(written(view_of("/support/{id:.+}"), GetSupportRequestResponse(request=found))) == offered


@pytest.mark.parametrize(
    ("owner", "origin", "state", "offered"),
    [
        ("guangdong", "sichuan", IssueState.ISSUE_STATE_ACKNOWLEDGED, "note take_up decide add_helper escalate"),
        ("sichuan", "guangdong", IssueState.ISSUE_STATE_IN_PROGRESS, "note escalate withdraw"),
        ("guangdong", "sichuan", IssueState.ISSUE_STATE_DECIDED, "note add_actions add_helper escalate"),
        ("guangdong", "sichuan", IssueState.ISSUE_STATE_CLOSED, ""),
        ("sichuan", "hunan", IssueState.ISSUE_STATE_DECIDED, ""),
    ],
)
def test_an_issue_offers_each_region_its_own_steps(
    owner: str, origin: str, state: IssueState.ValueType, offered: str
) -> None:
    found = issue()
    found.owner_region, found.origin_region, found.state = owner, origin, state
    assert acts(written(view_of("/issues/{id:.+}"), GetIssueResponse(issue=found))) == offered.split()


def test_a_decided_issue_is_reported_on_by_the_region_of_an_action_and_closed_after_the_last_one() -> None:
    found, view = issue(), view_of("/issues/{id:.+}")
    found.state, found.actions[0].region = IssueState.ISSUE_STATE_DECIDED, "guangdong"
    assert "report" in acts(written(view, GetIssueResponse(issue=found)))
    found.actions[0].finish_time.CopyFrom(to_timestamp(NOW))
    offered = acts(written(view, GetIssueResponse(issue=found)))
    assert ("report" in offered, "close" in offered) == (False, True)


def test_the_work_list_has_the_issues_that_wait_for_the_region_with_the_due_time_of_its_own_part() -> None:
    decides, acting, others = issue(), issue(), issue()
    acting.id, acting.state, acting.owner_region = "sichuan/I2", IssueState.ISSUE_STATE_DECIDED, "sichuan"
    acting.actions.add(number=2, region="guangdong", due_time=to_timestamp(NOW + timedelta(hours=1)))
    others.id, others.owner_region = "sichuan/I3", "sichuan"
    found = ListIssuesResponse(issues=[decides, acting, others])

    def rows(query: str) -> list[tuple[str, str]]:
        table = shown_by(CONSOLE, view_of("/work"), visit(query), Answering(found)).tables[0]
        return [(cells[1].text, cells[0].badge) for cells in table.rows]

    assert rows("kind=issues") == [("sichuan/I2", "soon"), (decides.id, "near")]
    assert rows("kind=issues&within=0") == []
    endless = ListIssuesResponse(issues=[decides], next_page_token="T")
    assert 'href="/console/issues"' in written(view_of("/work"), endless, query="kind=issues")


def test_an_action_of_an_issue_is_added_with_its_region_its_member_of_staff_and_its_due_time() -> None:
    form = next(each for each in view_of("/issues/{id:.+}").forms if each.act == "add_actions")
    entered = {"region": "henan", "staff_id": "li", "text": "compare", "due_time": "2026-11-25T09:00"}
    asked = replace(visit(), form=Fields({name: [text] for name, text in entered.items()}))
    with for_reader("zh", TEXTS):
        learn(Terms(regions=[RegionTerm(region="guangdong", time_zone="Asia/Shanghai")]))
        show_times_of("guangdong")
        [action] = cast("WorkOnIssueRequest", form.request(asked)).add_actions.actions
    due = to_timestamp(datetime(2026, 11, 25, 1, tzinfo=UTC))
    assert action == WorkOnIssueRequest.NewAction(region="henan", staff_id="li", text="compare", due_time=due)


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        ("/orders/{id:.+}", GetOrderResponse(order=order()), ["too much", "an offer", "ID_ORIG", "a note"]),
        ("/complaints/{id:.+}", GetComplaintResponse(complaint=complaint()), ["charged twice", "sichuan/clerk-7"]),
        ("/faults/{id:.+}", GetFaultResponse(fault=fault()), ["no signal", "modem", "a note"]),
        (
            "/support/{id:.+}",
            GetSupportRequestResponse(request=support_request()),
            ["every evening", "a-b-1", "a note"],
        ),
        ("/issues/{id:.+}", GetIssueResponse(issue=issue()), ["the cut-off of November", "compare", "a note"]),
    ],
)
def test_a_file_of_an_order_or_a_ticket_has_its_state_its_facts_its_tables_and_its_course(
    path: str, answer: Message, told: list[str]
) -> None:
    shown = shown_by(CONSOLE, view_of(path), visit(), Answering(answer))
    tables = json.loads(exported(shown, "json").text or "")["tables"]
    assert (tables[0]["columns"], tables[0]["rows"][0]["名称"]) == (["名称", "值"], "状态")
    assert (tables[-1]["label"], tables[-1]["columns"]) == ("办理过程", ["时间", "事件", "作者"])
    as_csv = exported(shown, "csv").text or ""
    for text in (*told, *(("+8619844000001",) if path != "/issues/{id:.+}" else ())):
        assert text in as_csv, text
        assert text in json.dumps(tables), text


def test_a_file_of_an_order_says_that_envelopes_are_missing_in_its_course() -> None:
    more = proofs()
    more.next_page_token = "T"
    answers = Answering(GetOrderResponse(order=order()), more)
    shown = shown_by(CONSOLE, view_of("/orders/{id:.+}"), visit("hops=signed"), answers)
    assert shown.notes == ["信封不止这4个。"]
    assert "E1" in (exported(shown, "csv").text or "")


class Counting(Answering):
    """RPCs that answer, and count how often each was asked, by the class of its answers."""

    def __init__(self, *answers: Message) -> None:
        super().__init__(*answers)
        self.asked = Counter[type[Message]]()

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        self.asked[rpc.answer] += 1
        return await super().ask(rpc, request)


class Denying(Answering):
    """RPCs that answer, and others that deny the caller: those with answers of a class."""

    def __init__(self, denied: type[Message], *answers: Message) -> None:
        super().__init__(*answers)
        self._denied = denied

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        if rpc.answer is self._denied:
            raise Refused(Reason.REASON_PERMISSION_DENIED)
        return await super().ask(rpc, request)


def test_a_fault_has_its_site_and_its_link_by_name_and_by_id_where_the_network_is_denied() -> None:
    found, places = fault(), network()[0]
    found.report.place.link = "a-b-1"
    assert isinstance(places, FindPlacesResponse)
    other = LocalizedText(en="Fixed line", zh_cn="固话")
    places.places.add(object=NetworkObject(service="guangzhou"), region="guangdong", name=other)
    view, answers = view_of("/faults/{id:.+}"), (GetFaultResponse(fault=found), places)
    assert "广州（guangzhou） 广州（a-b-1） 1 Road" in written(view, *answers)
    assert "guangzhou a-b-1 1 Road" in written_by(CONSOLE, view, visit(), Denying(FindPlacesResponse, *answers))


def test_lists_and_pages_of_the_network_and_of_faults_name_sites_and_links_and_look_them_up_once() -> None:
    place, cable = "广州（guangzhou）", "广州（a-b-1）"
    broken, raised = fault(), alarm()
    broken.report.place.link, raised.alarmed_object.link = "a-b-1", "a-b-1"
    outages = ListPlannedOutagesResponse()
    outages.planned_outages.add(id="R1", sites=["guangzhou"], links=["a-b-1"])
    alarms, pages = (
        ListAlarmsResponse(alarms=[raised] * 2),
        {
            "/faults": (ListFaultsResponse(faults=[broken] * 2), f"{place} {cable}", ""),
            "/customers": (ListFaultsResponse(faults=[broken] * 2), f"{place} {cable}", f"number={quote(NUMBER)}"),
            "/work": (ListFaultsResponse(faults=[broken] * 2), f"{place} {cable}", ""),
            "/network": (outages, f"{place}、{cable}", ""),
            alarm_path("{id:.+}"): (GetAlarmResponse(alarm=raised), cable, ""),
        },
    )
    for path, (answer, told, query) in pages.items():
        calling = Counting(answer, alarms, network()[0])
        page = written_by(CONSOLE, view_of(path), visit(query), calling)
        assert (told in page, calling.asked[FindPlacesResponse]) == (True, 1), path
        named = written_by(CONSOLE, view_of(path), visit(query), Denying(FindPlacesResponse, answer, alarms))
        assert (told in named, "a-b-1" in named) == (False, True), path
    assert f">{cable}" in written(view_of("/network"), alarms, network()[0])


def test_the_page_of_a_link_is_headed_by_its_two_sites_before_its_id() -> None:
    asked = visit(id="a-b-1")
    shown = shown_by(CONSOLE, view_of("/network/links/{id}"), asked, Answering(quality(), network()[0]))
    assert shown.title == "广州（a-b-1）"
    denied = Denying(FindPlacesResponse, quality())
    assert shown_by(CONSOLE, view_of("/network/links/{id}"), asked, denied).title == "a-b-1"


def test_a_customer_has_the_plan_by_name_and_by_id_where_plans_are_denied_or_do_not_have_it() -> None:
    plans = ListPlansResponse(plans=[Plan(id="GD-59", name=LocalizedText(en="Calm", zh_cn="畅享"))])
    view, asked, answer = (
        view_of("/customers"),
        visit(f"number={quote(NUMBER)}"),
        GetCustomerResponse(customer=customer()),
    )
    page = written_by(CONSOLE, view, asked, Answering(answer, plans))
    assert "畅享（GD-59）" in page
    for calling in (Denying(ListPlansResponse, answer, plans), Answering(answer)):
        assert written_by(CONSOLE, view, asked, calling) == page.replace("畅享（GD-59）", "GD-59")


def test_the_fields_of_a_step_become_its_request_in_the_zone_of_the_region() -> None:
    form = {each.act: each for each in view_of("/faults/{id:.+}").forms}
    names = Terms(regions=[RegionTerm(region="guangdong", time_zone="Asia/Shanghai")])

    def filled(act: str, **fields: str) -> WorkOnFaultRequest:
        asked = replace(visit(), form=Fields({each: [text] for each, text in fields.items()}))
        with for_reader("zh", TEXTS):
            learn(names)
            show_times_of("guangdong")
            return cast("WorkOnFaultRequest", form[act].request(asked))

    appointed = filled("appoint", start_time="2026-11-25T09:00", end_time="2026-11-25T11:00").appoint
    assert appointed.start_time == to_timestamp(datetime(2026, 11, 25, 1, tzinfo=UTC))
    named = filled("name_part", name="modem", price="12", in_warranty="yes").name_part
    assert (named.price.minor_units, named.in_warranty, named.human_caused) == (1200, True, False)
    assert filled("resolve", cause="cable", text="spliced").resolve.cause == FaultCause.FAULT_CAUSE_CABLE
    assert filled("take_up").WhichOneof("step") == "take_up"
    assert not filled("close", summary="").close.HasField("review")
    measure = filled("close", summary="bare", what="bury it", owner="li", due_date="2030-01-31").close.review.measures
    assert measure[0].owner == "li"
    for act, name, said in (
        ("estimate", "end_time", "soon"),
        ("estimate", "end_time", "2026-11-25T09:00+09:00"),
        ("estimate", "end_time", "0001-01-01T00:00"),
        ("accepted_part", "accepted_part", ""),
        ("install_part", "part", "-1"),
        ("install_part", "part", "99999999999"),
        ("name_part", "price", "cheap"),
        ("resolve", "cause", "bad luck"),
    ):
        assert refused(partial(filled, act, **{name: said})) == Reason.REASON_REQUEST_INVALID, act


def test_the_worst_alarm_of_a_site_or_a_link_is_its_state() -> None:
    places, alarms, *_ = network()
    assert isinstance(alarms, ListAlarmsResponse)
    page = written(view_of("/network"), places, alarms)
    assert ("无告警" in page, page.count('class="badge late"')) == (True, 2)
    alarms.alarms[0].perceived_severity = PerceivedSeverity.PERCEIVED_SEVERITY_WARNING
    assert 'class="badge late"' not in written(view_of("/network"), places, alarms)
    assert "A1" not in page


def test_pages_tell_the_cause_of_an_alarm_in_words_and_as_its_code_where_the_standard_has_no_such_cause() -> None:
    raised, places = alarm(), network()[0]
    for code, told in (("lossOfSignal", "信号丢失"), ("coolingFanFailure", "coolingFanFailure")):
        raised.probable_cause = code
        listed = ListAlarmsResponse(alarms=[raised])
        for path, answers in (
            ("/network", (places, listed)),
            ("/network/links/{id}", (quality(), listed)),
            (alarm_path("{id:.+}"), (GetAlarmResponse(alarm=raised),)),
        ):
            page = written(view_of(path), *answers)
            assert (told in page, "lossOfSignal" in page) == (True, False), path


def test_the_map_of_a_region_has_its_sites_and_links_in_the_colour_of_their_worst_alarm_and_the_far_ends_hollow() -> (
    None
):
    places, alarms, *_ = network()
    assert isinstance(places, FindPlacesResponse)
    page = written(view_of("/network"), places, alarms)
    assert ('class="place done"' in page, 'class="place foreign"' in page) == (True, True)
    assert re.search(r'<a href="/console/network/links/a-b-1"><path [^>]*class="flow late"', page)
    places.places[1].ends[1].ClearField("location")
    assert "<path" not in written(view_of("/network"), places, alarms), "a place without a position is on no map"


def test_an_element_without_an_alarm_has_no_known_state_where_there_are_more_alarms() -> None:
    places, alarms, *_ = network()
    assert isinstance(alarms, ListAlarmsResponse)
    alarms.next_page_token = "more"
    page = written(view_of("/network"), places, alarms)
    assert ("无告警" in page, "不明" in page) == (False, True)


@pytest.mark.parametrize("has_more", [False, True])
def test_tables_of_the_network_and_of_a_customer_say_where_they_are_cut(has_more: bool) -> None:
    token = "more" if has_more else ""
    places, _, outages, problems = network()
    assert isinstance(places, FindPlacesResponse)
    assert isinstance(outages, ListPlannedOutagesResponse)
    assert isinstance(problems, ListFollowedProblemsResponse)
    outages.next_page_token = problems.next_page_token = token
    alarms = ListAlarmsResponse(alarms=[alarm()], next_page_token=token)
    documents = ListDocumentsResponse(documents=[RegisteredDocument()], next_page_token=token)
    notices = ListNoticesResponse(notices=[Notice()] * (11 if has_more else 10))
    found = FindPlacesResponse(places=[places.places[0]] * (MOST_FOUND if has_more else 1))
    pages = {
        "/network": ((found, outages, problems), "", [1, 1, 500]),
        "/network/links/{id}": ((quality(), alarms), "", [1]),
        "/customers": ((documents, notices), f"number={quote(NUMBER)}", [1, 10]),
    }
    for path, (answers, query, counts) in pages.items():
        told = re.findall("不止这([0-9]+)条", written(view_of(path), *answers, query=query))
        assert sorted(map(int, told)) == (counts if has_more else []), path


def test_a_notice_of_a_customer_has_its_kind_in_words_also_where_a_kind_begins_with_the_listed_one() -> None:
    kinds = ["bill", "network-problem-ended", "order-verify", "lottery-won"]
    notices = ListNoticesResponse(notices=[Notice(kind=each) for each in kinds])
    page = written(view_of("/customers"), notices, query=f"number={quote(NUMBER)}")
    told = ["账单", "网络问题", "订单验证码", "lottery-won"]
    assert [each for each in told if f"<small>{each}</small>" not in page] == []


def test_each_listed_kind_of_notice_has_a_name_of_its_own() -> None:
    with for_reader("zh", TEXTS):
        names = {notice_name(each) for each in PURPOSES}
    assert (len(names), [each for each in names if each.isascii()]) == (len(PURPOSES), [])


def test_the_page_of_the_network_names_the_services_whose_problem_awaits_staff() -> None:
    assert "未确认：line-2" in written(view_of("/network"), *network())


def test_a_problem_and_a_planned_outage_stand_with_the_names_of_their_elements() -> None:
    places, alarms, outages, problems = network()
    assert isinstance(places, FindPlacesResponse)
    assert isinstance(problems, ListFollowedProblemsResponse)
    for service, name in (("line-1", "广州专线"), ("line-2", "广州宽带")):
        places.places.add(object=NetworkObject(service=service)).name.zh_cn = name
    problems.problems[0].header.root_cause.kind = NetworkElementKind.NETWORK_ELEMENT_KIND_LINK
    page = written(view_of("/network"), places, alarms, outages, problems)
    told = [">广州专线（line-1）</td>", "<small>未确认：广州宽带（line-2）</small>", "<small>广州（a-b-1）</small>"]
    assert [each for each in told if each not in page] == []


@pytest.mark.parametrize("count", [MOST_FOUND - 1, MOST_FOUND])
def test_the_form_of_a_fault_says_where_there_are_more_places_than_it_lists(count: int) -> None:
    found = FindPlacesResponse()
    for each in range(count):
        found.places.add().object.site = f"site-{each}"
    page = written(view_of("/faults/new"), found)
    assert ("站点和链路未全部列出" in page, f'value="site-{count - 1}"' in page) == (count == MOST_FOUND, True)


def test_a_link_shows_its_traffic_against_its_capacity_and_when_it_is_full() -> None:
    page = written(view_of("/network/links/{id}"), quality())
    assert page.count("<polyline") == 2
    assert "2026-09: 40；2026-10: 60" in page
    assert "2个月后用满" in page
    assert "<svg" not in written(view_of("/network/links/{id}"))


def test_an_alarm_offers_nothing_that_has_been_done() -> None:
    found, view = alarm(), view_of("/network/alarms/{id:.+}")
    assert acts(written(view, GetAlarmResponse(alarm=found))) == ["acknowledge", "clear"]
    found.ack_state = AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED
    assert acts(written(view, GetAlarmResponse(alarm=found))) == ["clear"]
    found.state = AlarmState.ALARM_STATE_CLEARED
    assert acts(written(view, GetAlarmResponse(alarm=found))) == []


def test_an_import_that_is_not_complete_has_a_bar() -> None:
    found = ListImportsResponse()
    found.imports.add(sha256=b"\x0a" * 32, lines=200, processed=50, created=40, rejected=10)
    done = found.imports.add(sha256=b"\x0b" * 32, lines=10, processed=10, existing=10)
    found.imports.add(sha256=b"\x0c" * 32, lines=1000, processed=999, created=999)
    page = written(view_of("/imports"), found)
    assert ("0c0c0c0c0c0c0c0c: 99 %" in page, page.count("100 %")) == (True, 1)
    assert ("0a0a0a0a0a0a0a0a: 25 %" in page, "0b0b0b0b0b0b0b0b: " in page) == (True, False)
    assert "50/200" in page
    assert "<svg" not in written(view_of("/imports"), ListImportsResponse(imports=[done]))


@pytest.mark.parametrize(
    "path",
    [
        "/work",
        "/orders",
        "/joint-orders",
        "/complaints",
        "/faults",
        "/network",
        "/network/links/{id}",
        "/support",
        "/issues",
        "/imports",
        "/audit",
    ],
)
def test_a_page_of_tables_gives_a_file_with_their_columns_also_where_nothing_is_there(path: str) -> None:
    shown = shown_by(CONSOLE, view_of(path), visit(), Answering())
    assert shown.tables
    assert all(each.head for each in shown.tables)
    assert exported(shown, "csv").text
