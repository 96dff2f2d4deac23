"""What commands say of orders, issues, settlements and differences: names, reasons, dates and next acts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import coordinator
import region_node
from coordinator.cli.reconciliation import print_pairs
from coordinator.cli.settlement import print_matrix
from coordinator.wording.order_explained import explained
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse, RegionTrace, UnansweredRegion
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import (
    PairDay,
    PairStanding,
    ReportReconciliationResponse,
)
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement, ReportSettlementResponse
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.region.v1.joint_order_pb2 import JointAwaiting, JointItem, JointItemState, JointOrder, JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary, OrderSummary
from gateway.api.region.v1.order_pb2 import Awaiting, Order, OrderState, Party
from gateway.api.region.v1.settlement_pb2 import SettlementLine, SettlementTerms
from gateway.api.region.v1.settlement_service_pb2 import ComputeSettlementResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from gateway.web.console.order_parts import order_state, waits_for
from gateway.wording.languages import headed, speak
from region_node.business.joint.rules import refuse
from region_node.cli.issues.issue_view import print_issue
from region_node.cli.joint.joint_view import print_order
from region_node.cli.orders.order_reviews import ORDERS_TO_REVIEW
from region_node.cli.settlement import print_both

AT = datetime(2026, 12, 1, tzinfo=UTC)
ORDER = "guangdong/counter/R1"
JOINT = "guangdong/J20261201-1"


def texts(package: str) -> Path:
    return Path(package).parent / "texts"


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> str:
    """The language that the commands of the coordinator speak."""
    chosen: str = request.param
    speak(chosen, texts(coordinator.__file__))
    return chosen


def of_order(state: OrderState.ValueType, waits: Awaiting | None = None) -> GetOrderTraceResponse:
    """The trace of an order that has a reason."""
    found = GetOrderTraceResponse(traces=[RegionTrace(region="guangdong")])
    reason = Reason.REASON_LINE_CLOSED
    order = OrderSummary(id=ORDER, home_region="sichuan", version=1, state=state, reason=reason, awaiting=waits)
    found.traces[0].trace.order.CopyFrom(order)
    return found


def of_joint(*items: JointItemSummary, awaiting: Sequence[JointAwaiting] = ()) -> GetOrderTraceResponse:
    found = GetOrderTraceResponse(traces=[RegionTrace(region="guangdong")])
    state = JointOrderState.JOINT_ORDER_STATE_FAILED
    joint = JointOrderSummary(id=JOINT, state=state, version=1, items=items, awaiting=awaiting)
    found.traces[0].trace.joint.CopyFrom(joint)
    return found


def test_a_failed_order_is_explained_by_its_reason(language: str) -> None:
    told = explained(of_order(OrderState.ORDER_STATE_FAILED))
    assert {"en": "is failed: LINE_CLOSED: The line is terminated.", "zh": "该号码已销户"}[language] in told


def test_an_order_that_waits_for_its_time_is_explained_by_the_region_and_the_time(language: str) -> None:
    waits = Awaiting(
        party=Party.PARTY_HOME_REGION, action="next-cycle", since_time=to_timestamp(AT), due_time=to_timestamp(AT)
    )
    told = explained(of_order(OrderState.ORDER_STATE_IN_PROGRESS, waits))
    expected = {"en": "is accepted, and sichuan carries it out at 2026-12-01", "zh": "sichuan将于2026-12-01"}
    assert (expected[language] in told, "next-cycle" in told) == (True, False)


def of_waiting(**item: object) -> str:
    """What an open joint order waits for, whose item is surveyed since December 1 until the 3rd."""
    since, due = to_timestamp(AT), to_timestamp(AT + timedelta(days=2))
    survey = JointMilestoneKind.JOINT_MILESTONE_KIND_SURVEY
    waits = JointAwaiting(region="sichuan", item_id="give", milestone=survey, since_time=since, due_time=due)
    given = JointItemSummary(id="give", region="sichuan", **item)  # type: ignore[arg-type]
    return explained(of_joint(given, awaiting=[waits])).partition(JOINT)[2]


def test_an_open_joint_order_tells_the_customers_proof_a_held_item_and_its_reason(language: str) -> None:
    surveying, held = JointItemState.JOINT_ITEM_STATE_SURVEYING, JointItemState.JOINT_ITEM_STATE_HELD
    end = to_timestamp(AT + timedelta(days=1))
    plain = of_waiting(state=surveying)
    proof = of_waiting(state=surveying, verify_until_time=end)
    room = of_waiting(state=held)
    owing = of_waiting(state=held, reason=Reason.REASON_LINE_CLOSED)
    english = {
        plain: "sichuan (give: survey, since 2026-12-01",
        proof: "sichuan (give: the customer's own proof, since 2026-12-01",
        room: "sichuan (give: held until its staff make room again, since 2026-12-01",
        owing: "make room again, since 2026-12-01",
    }
    chinese = {plain: "（give：勘查", proof: "机主本人验证", room: "暂停，待其工作人员重新预留", owing: "该号码已销户"}
    assert [told for told, wanted in {"en": english, "zh": chinese}[language].items() if wanted not in told] == []
    assert ("2026-12-03" in plain, "2026-12-02" in proof, "2026-12-03" in proof) == (True, True, False)
    assert language == "zh" or "LINE_CLOSED: The line is terminated." in owing


@pytest.mark.parametrize("reason", [Reason.REASON_JOINT_SURVEY_REFUSED, Reason.REASON_JOINT_SYSTEM_REFUSED])
def test_a_failed_joint_order_names_the_region_the_item_and_who_knows_the_words(
    language: str, reason: Reason.ValueType
) -> None:
    refused = JointItemSummary(
        id="access-2", region="henan", state=JointItemState.JOINT_ITEM_STATE_REFUSED, reason=reason
    )
    released = JointItemSummary(id="access-1", region="sichuan", state=JointItemState.JOINT_ITEM_STATE_RELEASED)
    told = explained(of_joint(released, refused))
    assert {"en": "is failed: henan refused access-2: ", "zh": "henan拒绝了access-2"}[language] in told
    assert ("region-node joint show" in told, "{" in told, "access-1" in told) == (True, False, False)


def test_a_joint_order_that_failed_by_silence_names_the_region_that_was_silent(language: str) -> None:
    silent = JointItemSummary(id="access-2", region="henan", state=JointItemState.JOINT_ITEM_STATE_EXPIRED)
    told = explained(of_joint(silent))
    assert {"en": "access-2 in henan ended without an answer", "zh": "henan的access-2逾期未答复"}[language] in told


def test_a_pair_that_differs_is_told_the_command_that_names_the_records(
    capsys: pytest.CaptureFixture[str], language: str
) -> None:
    day = PairDay(
        first_region="guangdong",
        second_region="sichuan",
        day="2026-12-01",
        standing=PairStanding.PAIR_STANDING_DIFFERENT,
        differences=1,
    )
    print_pairs(ReportReconciliationResponse(days=[day]))
    shown = " ".join(capsys.readouterr().out.split())
    assert "region-node reconciliation differences --with sichuan" in shown
    assert {"en": "guangdong and sichuan differ", "zh": "guangdong与sichuan有差异"}[language] in shown


def test_a_month_without_statements_is_told_the_command_that_has_its_amounts(
    capsys: pytest.CaptureFixture[str], language: str
) -> None:
    print_matrix(ReportSettlementResponse(), "2026-11")
    shown = capsys.readouterr().out
    assert "region-node settlement show" in shown
    assert {"en": "signed or proposed", "zh": "尚无"}[language] in shown


def test_a_pair_without_a_statement_is_told_why_beside_pairs_that_have_one(
    capsys: pytest.CaptureFixture[str], language: str
) -> None:
    pairs = [
        PairSettlement(first_region="guangdong", second_region="sichuan"),
        PairSettlement(first_region="hunan", second_region="sichuan"),
        PairSettlement(first_region="sichuan", second_region="yunnan"),
    ]
    away = UnansweredRegion(region="yunnan", reason=Reason.REASON_REGION_UNREACHABLE)
    print_matrix(ReportSettlementResponse(pairs=pairs, unanswered=[away]), "2026-11")
    shown = capsys.readouterr().out
    told = {
        "en": ("no statement yet (regions sign from 2026-12-01 on)", "not known: a region has not answered"),
        "zh": ("尚无结算单（各地区自2026-12-01起签署）", "尚不清楚：有地区未答复"),
    }[language]
    assert [shown.count(each) for each in told] == [2, 4]


@pytest.mark.parametrize(
    ("amount", "told"),
    [(2200, "guangdong owes sichuan 22.00"), (-2200, "sichuan owes guangdong 22.00"), (0, "nothing")],
)
def test_a_settlement_names_the_region_that_owes(capsys: pytest.CaptureFixture[str], amount: int, told: str) -> None:
    line = SettlementLine(charge_kind="payment", of_month="2026-11", amount=Money(minor_units=amount, currency="CNY"))
    terms = SettlementTerms(first_region="guangdong", second_region="sichuan", month="2026-11", lines=[line])
    print_both(ComputeSettlementResponse(terms=terms))
    shown = capsys.readouterr().out
    assert (told in shown, "-22.00" in shown) == (True, False)


def test_a_settlement_names_the_region_that_owes_in_chinese(
    capsys: pytest.CaptureFixture[str],
) -> None:
    speak("zh", texts(region_node.__file__))
    test_a_settlement_names_the_region_that_owes(capsys, -2200, "sichuan应付guangdong 22.00")


def test_staff_read_in_chinese_what_an_order_waits_for_and_how_it_stands_after_a_review(
    capsys: pytest.CaptureFixture[str],
) -> None:
    speak("zh", texts(region_node.__file__))
    order = Order(id="guangdong/counter/R1", state=OrderState.ORDER_STATE_IN_PROGRESS)
    order.awaiting.action = "review"
    ORDERS_TO_REVIEW.show_one(order)
    ORDERS_TO_REVIEW.show_one(Order(id=order.id, state=OrderState.ORDER_STATE_COMPLETED))
    waiting, reviewed = (line for line in capsys.readouterr().out.splitlines() if order.id in line)
    assert ("办理中" in waiting, "审核" in waiting, "已完成" in reviewed) == (True, True, True)


@pytest.mark.usefixtures("language")
def test_a_state_and_a_party_of_a_later_version_are_told_by_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    state, at = OrderState.ValueType(99), to_timestamp(AT)
    awaiting = Awaiting(party=Party.ValueType(98), action="wait", since_time=at, due_time=at)
    ORDERS_TO_REVIEW.show_one(Order(id=ORDER, state=state))
    assert " 99 " in capsys.readouterr().out
    assert "98" in explained(of_order(state, awaiting))
    assert (order_state(state), waits_for(awaiting)) == ("99", headed("98", "wait"))


def test_the_timeline_of_a_joint_order_has_the_refusal_of_its_survey(capsys: pytest.CaptureFixture[str]) -> None:
    item = JointItem(id="access-2", region="henan", state=JointItemState.JOINT_ITEM_STATE_SURVEYING)
    refuse(item, Refused(Reason.REASON_JOINT_SURVEY_REFUSED, problem="no duct"), AT + timedelta(hours=1))
    print_order(JointOrder(id=JOINT, leader_region="guangdong", create_time=to_timestamp(AT), items=[item]))
    *_, last = capsys.readouterr().out.strip().splitlines()
    assert last.split()[:2] == ["2026-12-01", "01:00"]
    assert "access-2: The survey was refused: no duct" in " ".join(last.split())


def test_an_issue_is_shown_with_its_due_time_and_its_level(capsys: pytest.CaptureFixture[str]) -> None:
    issue = Issue(id="guangdong/I20261201-1", owner_region="sichuan")
    issue.request.due_time.CopyFrom(to_timestamp(AT))
    issue.escalations.add(time=to_timestamp(AT))
    print_issue(issue)
    shown = capsys.readouterr().out
    assert "To be decided by 2026-12-01 00:00" in shown
    assert "Escalated to level L" in shown
