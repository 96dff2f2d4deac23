"""States and acts in the Chinese texts of refusals."""

import gettext
import re
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.message import Message

import region_node
from gateway.api.region.v1.approval_service_pb2 import ApprovalState
from gateway.api.region.v1.complaint_pb2 import ComplaintState, RemedyState
from gateway.api.region.v1.customer_move_pb2 import MoveState
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.fault_pb2 import FaultState
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrderState
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan, LoanState
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.region.v1.reconciliation_pb2 import RepairState
from gateway.api.region.v1.support_request_pb2 import SupportState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, text
from gateway.values.state_words import chinese_word
from gateway.wording.words import english
from region_node.approvals import rules as approvals
from region_node.business.joint import rules as items
from region_node.business.joint import saga
from region_node.business.orders import rules as orders
from region_node.business.orders.kind import told_open
from region_node.business.reconciliation import repairs
from region_node.care.complaints import remedy
from region_node.care.complaints import rules as complaints
from region_node.care.issues import rules as issues
from region_node.care.loans import rules as loans
from region_node.lifecycle.moving import rules as moves
from region_node.network.faults import rules as faults
from region_node.network.support import rules as support
from tests.later_version import LATER_VALUE

ENUMS = {
    "APPROVAL_STATE_": ApprovalState,
    "COMPLAINT_STATE_": ComplaintState,
    "FAULT_STATE_": FaultState,
    "ISSUE_STATE_": IssueState,
    "JOINT_ITEM_STATE_": JointItemState,
    "JOINT_ORDER_STATE_": JointOrderState,
    "LOAN_STATE_": LoanState,
    "MOVE_STATE_": MoveState,
    "ORDER_STATE_": OrderState,
    "PRODUCT_STATUS_": ProductStatus,
    "QUARANTINE_STATE_": QuarantineState,
    "REMEDY_STATE_": RemedyState,
    "REPAIR_STATE_": RepairState,
    "SUPPORT_STATE_": SupportState,
}


_ACT = re.compile(
    r'(?:_STATE_FORBIDS,[^"]*action=|require_(?:state|open|awaiting)\(\s*[a-z]+,\s*)"([^"]+)"'
)  # a literal one
_AWAITS = re.compile(r"wait_for\(|_wait\(|_ask_customer\(|Obstacle\(|, action = |^[A-Z]+: Final = ")
_WORDS = re.compile(r'"([a-z][a-z -]*)"')


def fields_of(message: type[Message], oneof: str) -> Sequence[str]:
    """The names of the fields of a choice."""
    return [each.name for each in message.DESCRIPTOR.oneofs_by_name[oneof].fields]


@pytest.mark.parametrize("prefix", ENUMS)
def test_refusals_have_the_words_for_states_that_commands_and_pages_have(prefix: str) -> None:
    catalogue = gettext.translation("messages", str(Path(region_node.__file__).parent / "texts"), languages=["zh"])
    for name in ENUMS[prefix].keys()[1:]:
        words = english(name, prefix)
        assert chinese_word(words) == catalogue.gettext(words)


def actions_in_the_sources() -> Set[str]:
    """The actions that an order may wait for, as the code gives them to `wait_for`."""
    found = set[str]()
    for path in Path(orders.__file__).parent.glob("*.py"):
        found.update(
            each
            for line in path.read_text("utf-8").splitlines()
            if _AWAITS.search(line)
            for each in _WORDS.findall(line)
        )
    return found


def test_what_an_open_order_waits_for_is_told_in_the_words_of_commands_and_pages() -> None:
    catalogue = gettext.translation("messages", str(Path(region_node.__file__).parent / "texts"), languages=["zh"])
    actions = actions_in_the_sources()
    assert {"decide", "review", "fulfil", "accept", "next-cycle", "agreed-time", "provision", "join"} <= actions
    for action in sorted(actions):
        order = Order(id="o1", state=OrderState.ORDER_STATE_IN_PROGRESS, home_region="sichuan")
        order.awaiting.party, order.awaiting.action = Party.PARTY_HOME_STAFF, action
        told = told_open(order)
        assert told.en == f"o1 (inProgress, {action}, sichuan)"
        assert told.zh_cn == f"o1（办理中、{catalogue.gettext(action)}、sichuan）"
        assert not re.search("[A-Za-z]", catalogue.gettext(action)), action


@pytest.mark.parametrize("state", OrderState.values()[1:])
def test_a_state_as_tm_forum_writes_it_is_told_in_chinese(state: OrderState.ValueType) -> None:
    parameters = {"state": orders.state_name(state), "action": "cancel"}
    assert not re.search("[A-Za-z]", text(Reason.REASON_ORDER_STATE_FORBIDS, parameters).zh_cn)


@pytest.mark.parametrize(
    "rules", [approvals, complaints, faults, issues, items, loans, moves, orders, remedy, repairs, saga, support]
)
def test_a_state_of_a_later_version_is_told_by_its_number(rules: ModuleType) -> None:
    """Another process of the region, or the node that a command calls, may be upgraded before this one."""
    assert rules.state_name(LATER_VALUE) == str(LATER_VALUE)
    told = text(Reason.REASON_ORDER_STATE_FORBIDS, {"state": rules.state_name(LATER_VALUE), "action": "cancel"})
    assert str(LATER_VALUE) in told.en
    assert str(LATER_VALUE) in told.zh_cn


def acts_in_the_sources() -> Set[str]:
    """The acts that the code of a region names where it refuses them for a state."""
    found = set[str]()
    for path in Path(region_node.__file__).parent.rglob("*.py"):
        found.update(_ACT.findall(path.read_text("utf-8")))
    return found


def test_an_act_that_a_state_forbids_is_told_in_chinese() -> None:
    acts = {*faults.STATES_OF_STEPS, *faults.STATES_OF_COMMANDS, *support.STATES_OF_STEPS, *issues.STATES_OF_STEPS}
    acts |= {orders.REVIEW, orders.VERIFY, *fields_of(OrderCommand, "command"), *acts_in_the_sources()}
    assert {"ask for the regulator", "reach", "erase", "prolong"} <= acts, "of complaints, joint orders, orders, loans"
    for action in sorted(acts):
        told = text(Reason.REASON_FAULT_STATE_FORBIDS, {"state": "closed", "action": action})
        assert not re.search("[A-Za-z]", told.zh_cn), action


@pytest.mark.parametrize("action", ["accept", "confirm", "review", "supplement", "verify"])
def test_an_act_that_an_order_forbids_has_the_word_by_which_pages_say_that_it_is_awaited(action: str) -> None:
    catalogue = gettext.translation("messages", str(Path(region_node.__file__).parent / "texts"), languages=["zh"])
    told = text(Reason.REASON_ORDER_STATE_FORBIDS, {"state": "completed", "action": action})
    assert told.zh_cn == f"订单状态为已完成，不能{catalogue.gettext(action)}。"
    assert "不能接受" in text(Reason.REASON_COMPLAINT_STATE_FORBIDS, {"state": "closed", "action": "accept"}).zh_cn


@pytest.mark.parametrize("state", [each for each in LoanState.values() if each > loans.ACKNOWLEDGED])
def test_a_refusal_of_a_loan_names_the_act_and_not_the_state_that_it_leads_to(state: LoanState.ValueType) -> None:
    with pytest.raises(Refused) as refusal:
        loans.enter(Loan(state=loans.CLOSED), state, now=datetime(2026, 12, 1, tzinfo=UTC), author="sichuan/li")
    parameters = refusal.value.parameters
    assert parameters["action"] in {*fields_of(LoanCommand, "command"), *fields_of(WorkOnLoanRequest, "step")}
    assert not re.search("[A-Za-z]", text(refusal.value.reason, parameters).zh_cn)


def test_an_action_that_is_an_id_stays_in_chinese_though_it_is_also_a_word() -> None:
    for reason in (Reason.REASON_IMPROVEMENT_ACTION_NOT_FOUND, Reason.REASON_IMPROVEMENT_ACTION_FINISHED):
        assert "held" in text(reason, {"action": "held"}).zh_cn


def test_a_customer_reads_in_chinese_why_an_order_can_no_longer_be_cancelled() -> None:
    told = text(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, {"state": "completed"})
    assert told.zh_cn == "订单已不能撤销，状态为已完成。"
    assert told.en == "The order can no longer be cancelled: it is completed."


def test_a_customer_reads_in_chinese_how_a_line_stands() -> None:
    assert (
        text(Reason.REASON_LINE_NOT_ACTIVE, {"status": "pending terminate"}).zh_cn
        == "该号码状态为待销户，不是正常状态。"
    )


def test_a_text_of_its_own_in_chinese_and_an_unknown_word_stay() -> None:
    parameters = {"month": "2026-12", "state": "closed", "state_zh_cn": "尚未结束"}
    assert "尚未结束" in text(Reason.REASON_SETTLEMENT_STATE_FORBIDS, parameters).zh_cn
    assert chinese_word("of a later version") == "of a later version"
