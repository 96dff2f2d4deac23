"""Words for programs that people read in tables too: states, parties, kinds of envelopes, actions and hops."""

from collections.abc import Iterator
from itertools import chain

from google.protobuf.descriptor import EnumDescriptor

from gateway.api.coordinator.v1.enrolment_service_pb2 import EnrolmentState
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentGrade, NetworkEventKind, ReportKind
from gateway.api.coordinator.v1.risk_service_pb2 import RiskAct, RiskState
from gateway.api.federation.v1.configuration_pb2 import (
    ComplaintSeverity,
    ConsentMethod,
    DataClass,
    JointAction,
    JointMilestoneKind,
    LegalBasis,
    LineKind,
    ProofWay,
    SharedField,
    WithoutGrant,
)
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, NetworkElementKind, PerceivedSeverity, ProblemState
from gateway.api.federation.v1.quality_pb2 import SampledKind
from gateway.api.federation.v1.risk_pb2 import RiskSource
from gateway.api.region.v1.agreement_pb2 import StatementLineKind
from gateway.api.region.v1.alarm_pb2 import AlarmState
from gateway.api.region.v1.anomaly_service_pb2 import AnomalyCause, AnomalyFinding, AnomalyState
from gateway.api.region.v1.approval_service_pb2 import ApprovalAct, ApprovalState
from gateway.api.region.v1.bulletin_pb2 import BulletinSeverity, BulletinState
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    ComplaintChannel,
    ComplaintState,
    DeadlineKind,
    EscalationTrigger,
    Remedy,
    RemedyState,
    ReturnReason,
    TimeReason,
    WorkItemState,
)
from gateway.api.region.v1.customer_move_pb2 import MoveState
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.dossier_service_pb2 import (
    DossierConditionKind,
    DossierFinding,
    DossierVerdict,
    Statement,
)
from gateway.api.region.v1.fault_pb2 import (
    FaultCause,
    FaultSeverity,
    FaultState,
    QuoteState,
    RepairMilestone,
    RepairMode,
)
from gateway.api.region.v1.issue_pb2 import IssueLinkKind, IssueState
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrderState
from gateway.api.region.v1.loan_pb2 import LoanState, ReturnCondition
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutageState
from gateway.api.region.v1.proof_pb2 import ProofKind
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineSource, QuarantineState
from gateway.api.region.v1.reconciliation_pb2 import DifferenceKind, RepairAct, RepairState
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, GrantState, MaskReason
from gateway.api.region.v1.support_request_pb2 import SupportFigure, SupportState
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind
from gateway.api.region.v1.survey_pb2 import SurveyMark, SurveyOccasion, SurveyQuestion
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.wording.languages import translated

_UNSPECIFIED = "UNSPECIFIED"
# The contract leaves these as free text. A region of another version may send others, which stay unchanged.
_ACTIONS = (
    "accept",
    "adjust",
    "agreed-time",
    "confirm",
    "decide",
    "extend the number plan",
    "finish the move",
    "fulfil",
    "join",
    "next-cycle",
    "order the remedy",
    "provision",
    "reinstate",
    "review",
    "settle",
    "supplement",
    "undo",
    "verify",
)
_CHANGES = (  # of the state of a complaint or a fault
    "accepted by the customer",
    "case ended",
    "classified anew",
    "closed",
    "customer answered",
    "customer asked",
    "given back",
    "no answer needed",
    "refused by the customer",
    "repaired",
    "reported",
    "resolution proposed",
    "taken up",
    "withdrawn by the customer",
    "work items ask the customer",
    "work items go on",
)
_ORDER_CHANGES = (  # of the state of an order
    "accepted",
    "cancellation granted",
    "cancellation not granted",
    "cancellation requested",
    "cancelled before it was sent",
    "check failed",
    "declined by the customer",
    "fulfilment",
    "no answer in time",
    "no effect had happened",
    "no longer possible",
    "no way home",
    "not accepted",
    "not carried out",
    "not executable in time",
    "released",
    "review rejected",
    "review returned",
    "time has come",
    "to be accepted",
    "to be confirmed",
    "to be verified",
    "undone",
)
_SAID_BY_STATE = ("taken in", "fulfilled")  # reasons of such changes that say no more than the state
_FINDINGS = ("good", "warning", "bad", "not checked")  # of `doctor`
_NAMED = ("key", "variable")  # the names of settings
_SCHEMA_FILES = (
    "applied",
    "applied before",
    "would be applied",
    "waits for --contract",
    "of a newer version",
)  # to `migrate`
_STATES = ("inProgress", "assessingCancellation", "pendingCancellation")  # as TMF622 writes them
_HOPS = (
    "asked",
    "asked again",
    "committed",
    "forwarded",
    "receipt received",
    "received",
    "returned",
    "sent",
    "sent again",
)


_ENUMS = {
    "ACCIDENT_GRADE_": AccidentGrade,
    "ALARM_STATE_": AlarmState,
    "ANOMALY_CAUSE_": AnomalyCause,
    "ANOMALY_FINDING_": AnomalyFinding,
    "ANOMALY_STATE_": AnomalyState,
    "BULLETIN_SEVERITY_": BulletinSeverity,
    "BULLETIN_STATE_": BulletinState,
    "CLASSIFIED_BY_": ClassifiedBy,
    "COMPLAINT_CHANNEL_": ComplaintChannel,
    "COMPLAINT_SEVERITY_": ComplaintSeverity,
    "COMPLAINT_STATE_": ComplaintState,
    "CONSENT_METHOD_": ConsentMethod,
    "DATA_CLASS_": DataClass,
    "DEADLINE_KIND_": DeadlineKind,
    "DIFFERENCE_KIND_": DifferenceKind,
    "DISCLOSURE_KIND_": DisclosureKind,
    "DOSSIER_CONDITION_KIND_": DossierConditionKind,
    "DOSSIER_FINDING_": DossierFinding,
    "DOSSIER_VERDICT_": DossierVerdict,
    "ENROLMENT_STATE_": EnrolmentState,
    "ENVELOPE_KIND_": EnvelopeKind,
    "ESCALATION_TRIGGER_": EscalationTrigger,
    "FAULT_CAUSE_": FaultCause,
    "FAULT_SEVERITY_": FaultSeverity,
    "FAULT_STATE_": FaultState,
    "GRANT_STATE_": GrantState,
    "ISSUE_LINK_KIND_": IssueLinkKind,
    "ISSUE_STATE_": IssueState,
    "JOINT_ACTION_": JointAction,
    "JOINT_ITEM_STATE_": JointItemState,
    "JOINT_MILESTONE_KIND_": JointMilestoneKind,
    "JOINT_ORDER_STATE_": JointOrderState,
    "LEGAL_BASIS_": LegalBasis,
    "LINE_KIND_": LineKind,
    "LOAN_STATE_": LoanState,
    "MASK_REASON_": MaskReason,
    "RESOURCE_KIND_": ResourceKind,
    "RETURN_CONDITION_": ReturnCondition,
    "MEMBER_STATE_": MemberState,
    "MOVE_STATE_": MoveState,
    "NETWORK_CONDITION_": NetworkCondition,
    "NETWORK_ELEMENT_KIND_": NetworkElementKind,
    "NETWORK_EVENT_KIND_": NetworkEventKind,
    "ORDER_STATE_": OrderState,
    "PARTY_": Party,
    "PERCEIVED_SEVERITY_": PerceivedSeverity,
    "PROBLEM_STATE_": ProblemState,
    "PLANNED_OUTAGE_STATE_": PlannedOutageState,
    "PRODUCT_STATUS_": ProductStatus,
    "PROOF_KIND_": ProofKind,
    "PROOF_WAY_": ProofWay,
    "QUARANTINE_SOURCE_": QuarantineSource,
    "QUARANTINE_STATE_": QuarantineState,
    "QUOTE_STATE_": QuoteState,
    "REMEDY_": Remedy,
    "REMEDY_STATE_": RemedyState,
    "APPROVAL_ACT_": ApprovalAct,
    "APPROVAL_STATE_": ApprovalState,
    "REPAIR_ACT_": RepairAct,
    "REPAIR_MILESTONE_": RepairMilestone,
    "REPAIR_MODE_": RepairMode,
    "REPAIR_STATE_": RepairState,
    "SETTLEMENT_STATE_": SettlementState,
    "REPORT_KIND_": ReportKind,
    "RETURN_REASON_": ReturnReason,
    "SAMPLED_KIND_": SampledKind,
    "RISK_ACT_": RiskAct,
    "RISK_SOURCE_": RiskSource,
    "RISK_STATE_": RiskState,
    "SHARED_FIELD_": SharedField,
    "STATEMENT_": Statement,
    "STATEMENT_LINE_KIND_": StatementLineKind,
    "SUPPORT_FIGURE_": SupportFigure,
    "SUPPORT_STATE_": SupportState,
    "SURVEY_MARK_": SurveyMark,
    "SURVEY_OCCASION_": SurveyOccasion,
    "SURVEY_QUESTION_": SurveyQuestion,
    "TIME_REASON_": TimeReason,
    "WORK_ITEM_STATE_": WorkItemState,
    "WITHOUT_GRANT_": WithoutGrant,
}


def english(name: str, prefix: str) -> str:
    """An enum value in words: `ORDER_STATE_IN_PROGRESS` is `in progress`; empty for an unspecified one."""
    short = name.removeprefix(prefix)
    return "" if short == _UNSPECIFIED else short.lower().replace("_", " ")


def word(name: str, prefix: str) -> str:
    """An enum value in the language of the command."""
    return translated(english(name, prefix))


def value_word(enum: EnumDescriptor, number: int) -> str:
    """A value of an enum in the language of the command; its number where only a later version knows it."""
    found, unset = enum.values_by_number.get(number), enum.values_by_number[0].name
    return str(number) if found is None else word(found.name, unset.removesuffix(_UNSPECIFIED))


def change_reason(reason: str) -> str:
    """The reason of a change of an order's state, for people; empty where it says no more than the state."""
    return "" if reason in _SAID_BY_STATE else translated(reason)


def told_severity(severity: PerceivedSeverity.ValueType) -> str:
    """The severity of an alarm, or of a problem of the network."""
    return value_word(PerceivedSeverity.DESCRIPTOR, severity)


def words() -> Iterator[str]:
    """All words that have a translation, in English."""
    yield from (told for prefix, enum in _ENUMS.items() for name in enum.keys() if (told := english(name, prefix)))
    yield from chain(_ACTIONS, _CHANGES, _ORDER_CHANGES, _STATES, _HOPS, _FINDINGS, _NAMED, _SCHEMA_FILES)
