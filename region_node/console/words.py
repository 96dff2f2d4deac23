"""The words and badges for what pages show of orders, complaints and others."""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.alarm_pb2 import AlarmState
from gateway.api.region.v1.fault_pb2 import Fault, FaultSeverity, FaultState
from gateway.api.region.v1.issue_pb2 import Issue, IssueState
from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import to_timestamp
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Fact
from gateway.web.tables import Cell
from gateway.wording.languages import translated
from gateway.wording.words import value_word
from region_node.care.issues.course import issue_state
from region_node.customers.notices.rules import listed_kind
from region_node.network.faults.outages import due_of

CUSTOMERS = "/customers"
"""The path of the page of a customer."""
IDENTITY_CHECK = f"{CUSTOMERS}/identity-check"
"""The path of the page with the bills of a customer, after a code on their telephone."""
MONTH = "month"
"""The month in the query of that page whose bill it shows line by line."""
ORDERS = "/orders"
"""The path of the list of orders."""
NETWORK = "/network"
"""The path of the page of the network."""
_FAULT_BADGES: Mapping[FaultState.ValueType, str] = {
    FaultState.FAULT_STATE_ACKNOWLEDGED: "moving",
    FaultState.FAULT_STATE_PENDING: "near",
    FaultState.FAULT_STATE_HELD: "soon",
    FaultState.FAULT_STATE_IN_PROGRESS: "moving",
    FaultState.FAULT_STATE_RESOLVED: "done",
    FaultState.FAULT_STATE_CLOSED: "done",
}
_SUPPORT_BADGES: Mapping[SupportState.ValueType, str] = {
    SupportState.SUPPORT_STATE_ACKNOWLEDGED: "moving",
    SupportState.SUPPORT_STATE_IN_PROGRESS: "moving",
    SupportState.SUPPORT_STATE_RESOLVED: "near",
    SupportState.SUPPORT_STATE_CLOSED: "done",
}
_ISSUE_BADGES: Mapping[IssueState.ValueType, str] = {
    IssueState.ISSUE_STATE_ACKNOWLEDGED: "moving",
    IssueState.ISSUE_STATE_IN_PROGRESS: "moving",
    IssueState.ISSUE_STATE_DECIDED: "near",
    IssueState.ISSUE_STATE_CLOSED: "done",
}
NOTICES: Mapping[str, str] = {
    "bill": "bill",
    "abnormal-bill": "unusually high bill",
    "suspension-ahead": "line to be suspended",
    "suspended": "suspended line",
    "termination-ahead": "line to be terminated",
    "terminated": "terminated line",
    "resumed": "resumed line",
    "one-time-code": "one-time code",
    "password-changed": "new password",
    "password-reset": "password reset",
    "other-contact": "other contact",
    "consent-given": "consent given",
    "consent-withdrawn": "consent withdrawn",
    "planned-outage": "planned outage",
    "network-problem": "problem of the network",
    "fault": "fault",
    "contact-changed": "changed contact",
    "service-credit": "service credit",
    "account-corrected": "corrected account",
    "joint": "joint order",
    "complaint": "complaint",
    "support": "support request",
    "move": "move to another region",
    "order-verify": "code for an order",
    "contract-reminder": "end of a contract",
    "survey": "satisfaction survey",
}
"""The kinds of notices that `PURPOSES` lists, in English."""


def number_fact(visit: Visit, number: str) -> Fact:
    """The number of a customer, which leads to the page of the customer."""
    return Fact(translated("Number"), number, visit.address(CUSTOMERS, number=number))


def submitted_by(operator: str, staff_id: str) -> str:
    """The operator system, and the member of staff at it; staff who submit without a system stand once."""
    return operator if operator == f"staff/{staff_id}" else f"{operator}, {staff_id}".strip(", ")


def applicant_name(applicant: Applicant.ValueType) -> str:
    """The kind of an applicant; empty for an unknown one."""
    names = {
        Applicant.APPLICANT_HOLDER: translated("the customer in person"),
        Applicant.APPLICANT_AGENT: translated("an agent"),
        Applicant.APPLICANT_ENTERPRISE: translated("the handler of an enterprise"),
        Applicant.APPLICANT_REGION: translated("the region"),
    }
    return names.get(applicant, "")


def notice_name(kind: str) -> str:
    """The kind of a notice to a customer; as it came for an unknown one."""
    name = NOTICES.get(listed_kind(kind))
    return kind if name is None else translated(name)


def fault_state(state: FaultState.ValueType) -> str:
    """The state of a fault."""
    return value_word(FaultState.DESCRIPTOR, state)


def fault_severity(severity: FaultSeverity.ValueType) -> str:
    """The severity of a fault."""
    return value_word(FaultSeverity.DESCRIPTOR, severity)


def fault_due(fault: Fault) -> Timestamp:
    """The limit of the repair; unset where there is none."""
    return due_time(due_of(fault))


def support_state(state: SupportState.ValueType) -> str:
    """The state of a support request."""
    return value_word(SupportState.DESCRIPTOR, state)


def fault_state_cell(fault: Fault) -> Cell:
    """The state of a fault as a badge."""
    return Cell(fault_state(fault.state), badge=_FAULT_BADGES.get(fault.state, "calm"))


def support_state_cell(request: SupportRequest) -> Cell:
    """The state of a support request as a badge."""
    return Cell(support_state(request.state), badge=_SUPPORT_BADGES.get(request.state, "calm"))


def issue_state_cell(issue: Issue) -> Cell:
    """The state of an issue as a badge."""
    return Cell(issue_state(issue.state), badge=_ISSUE_BADGES.get(issue.state, "calm"))


def due_time(due: datetime | None) -> Timestamp:
    """A due time as the contract has it; unset where there is none."""
    return Timestamp() if due is None else to_timestamp(due)


def cut_caption(order: str, count: int, *, has_more: bool) -> str:
    """The caption of a table that may not have all of its list: the order of its rows, and how many it has."""
    more = translated("There are more than these {count}.", count=count) if has_more else ""
    return f"{order} {more}".strip()


def order_path(order_id: str) -> str:
    """The path of the page of an order."""
    return f"{ORDERS}/{order_id}"


def alarm_path(alarm_id: str) -> str:
    """The path of the page of an alarm."""
    return f"{NETWORK}/alarms/{alarm_id}"


def alarm_state(state: AlarmState.ValueType) -> str:
    """The state of an alarm."""
    return value_word(AlarmState.DESCRIPTOR, state)
