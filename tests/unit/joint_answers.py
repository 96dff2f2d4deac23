"""Answers of RPCs about joint work and revisions, of which pages of a coordinator's console are made."""

from datetime import timedelta

from gateway.api.coordinator.v1.administration_pb2 import (
    CompareRevisionsResponse,
    GetConfigurationResponse,
    GetOrderTraceResponse,
    ListJointOrderSummariesResponse,
)
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairStanding, ReportReconciliationResponse
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import ReportSettlementResponse
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.federation.v1.quality_pb2 import (
    ScorecardDefinition,
    ScorecardDirection,
    ScorecardFigure,
    ScorecardUnit,
)
from gateway.api.federation.v1.revision_pb2 import ProposedRevision, RevisionStatement, SignedRevision
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp
from tests.unit.console_pages import NOW

SURVEY = JointMilestoneKind.JOINT_MILESTONE_KIND_SURVEY
CONTRACT = JointMilestoneKind.JOINT_MILESTONE_KIND_CONTRACT
DIFFERENT = PairStanding.PAIR_STANDING_DIFFERENT


def quality(evil: str = "") -> ReportQualityResponse:
    """The scorecards of two regions, one of which misses a target, and a region that is silent."""
    figure = ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_95
    definition = ScorecardDefinition(figure=figure, source=f"ETSI{evil}", unit=ScorecardUnit.SCORECARD_UNIT_HOURS)
    for each in (definition.name, definition.numerator, definition.denominator):
        each.en = each.zh_cn = f"repair time{evil}"
    definition.target.value, definition.direction = 48, ScorecardDirection.SCORECARD_DIRECTION_LOWER
    found = ReportQualityResponse(definitions=[definition])
    for region, hours in (("guangdong", 40), ("sichuan", 60)):
        told = MeasuredFigure(figure=figure, denominator=100, value=hours, low=hours - 5, high=hours + 5)
        found.scorecards.add(region=f"{region}{evil}", figures=[told])
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def reconciliation(evil: str = "") -> ReportReconciliationResponse:
    """Two pairs of regions, one of which differs."""
    found = ReportReconciliationResponse()
    for other, standing in (("henan", PairStanding.PAIR_STANDING_EQUAL), ("sichuan", DIFFERENT)):
        day = found.days.add(first_region=f"guangdong{evil}", second_region=f"{other}{evil}", standing=standing)
        day.day, day.first_records, day.differences = f"2026-11-23{evil}", 5, 2
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def joint_order(evil: str = "") -> JointOrderSummary:
    """A joint order that one region has, with an item whose limit is near, and one that another region refused."""
    found = JointOrderSummary(id=f"guangdong/J20261124-1{evil}", business=f"BB_MOVE{evil}", version=2)
    found.leader_region = f"guangdong{evil}"
    open_item = found.items.add(id=f"install{evil}", region=f"henan{evil}")
    open_item.alert_time.CopyFrom(to_timestamp(NOW - timedelta(hours=1)))
    open_item.milestones.add(kind=SURVEY).reach_time.CopyFrom(to_timestamp(NOW - timedelta(days=1)))
    open_item.milestones.add(kind=CONTRACT).due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1)))
    found.items.add(id=f"remove{evil}", region=f"sichuan{evil}", reason=Reason.REASON_JOINT_SURVEY_REFUSED)
    waits = found.awaiting.add(region=f"henan{evil}", item_id=f"install{evil}", milestone=CONTRACT)
    waits.since_time.CopyFrom(to_timestamp(NOW - timedelta(hours=3)))
    waits.due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1)))
    return found


def joint_orders(evil: str = "") -> ListJointOrderSummariesResponse:
    """A joint order, and a region that did not answer."""
    found = ListJointOrderSummariesResponse(orders=[joint_order(evil)])
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def joint_trace(evil: str = "") -> GetOrderTraceResponse:
    """A joint order as two regions have it, the second of which is behind."""
    found = GetOrderTraceResponse()
    found.traces.add(region=f"guangdong{evil}").trace.joint.CopyFrom(joint_order(evil))
    behind = found.traces.add(region=f"henan{evil}").trace.joint
    behind.id, behind.version = f"guangdong/J20261124-1{evil}", 1
    return found


def settlement(evil: str = "") -> ReportSettlementResponse:
    """Two pairs: one has signed and paid, and the reports of the other differ."""
    found, owed = ReportSettlementResponse(), Money(minor_units=2200, currency=f"CNY{evil}")
    signed = SettlementState.SETTLEMENT_STATE_SIGNED
    paid = found.pairs.add(first_region=f"guangdong{evil}", second_region=f"sichuan{evil}", state=signed, net=[owed])
    paid.first_paid = paid.second_paid = True
    found.pairs.add(first_region=f"henan{evil}", second_region=f"sichuan{evil}", differs=True, first_net=[owed])
    found.positions.add(region=f"sichuan{evil}", signed=owed, paid=owed)
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def revisions(evil: str = "") -> tuple[GetConfigurationResponse, CompareRevisionsResponse]:
    """The configuration of the third revision, and more changes than are told."""
    found = CompareRevisionsResponse(left_off=1200)
    found.changes.add(changed_path=f"regions[henan].name.en{evil}", old_value=f"Henan{evil}", new_value=f"He Nan{evil}")
    signed = found.revisions.add(federation_revision=3, threshold=2, signers=[f"li{evil}", "wang"])
    signed.previous_digest = b"\xab" * 32
    signed.issue_time.CopyFrom(to_timestamp(NOW))
    signed.end_time.CopyFrom(to_timestamp(NOW + timedelta(days=365)))
    signed.apply_time.CopyFrom(to_timestamp(NOW + timedelta(days=2)))
    found.revisions.add(federation_revision=2)
    return GetConfigurationResponse(federation_revision=3), found


def proposal(evil: str = "") -> tuple[bytes, GetConfigurationResponse, CompareRevisionsResponse]:
    """The file of a proposal that one of two administrators has signed, with the answers about it."""
    statement = RevisionStatement(federation=f"crossregion.example{evil}", revision=4)
    statement.issue_time.CopyFrom(to_timestamp(NOW))
    statement.end_time.CopyFrom(to_timestamp(NOW + timedelta(days=365)))
    proposed = ProposedRevision(revision=SignedRevision(statement=statement.SerializeToString()))
    held, compared = revisions(evil)
    held.requires_signatures, held.place.administration.threshold = True, 2
    compared.signers.append(f"li{evil}")
    return proposed.SerializeToString(), held, compared
