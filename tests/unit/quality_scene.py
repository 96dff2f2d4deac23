"""A month of a region on a database: its orders, complaints, faults and answers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultState
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.api.region.v1.survey_pb2 import Survey, SurveyQuestion
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.business.joint import saga
from region_node.business.joint.rows import JointOrderRow, insert_joint_order, note_end
from region_node.business.orders import rules as orders
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.care.complaints.figure_rows import keep_figures
from region_node.care.complaints.rows import ComplaintRow, insert_complaint
from region_node.care.quality.scorecard import scorecard
from region_node.care.surveys import rows as surveys
from region_node.network.faults.rows import FaultRow, insert_fault, update_fault
from region_node.node.context import RegionContext
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH, REGION = "2030-06", "sichuan"
NUMBER = "+8619851000001"
HANDLING = SurveyQuestion.SURVEY_QUESTION_HANDLING


def context() -> RegionContext:
    """The region, with the federation that is shipped."""
    current, scene = CurrentFederation(), keys()
    current.update(FEDERATION, [Member(region=REGION, state=MemberState.MEMBER_STATE_JOINED)])
    return RegionContext(Border(REGION, scene.signers[REGION], scene.trusted, current))


@dataclass
class Region:
    """A region that runs network services, without its edges."""

    context: RegionContext
    tx: Transaction
    made: int = 0

    def order(
        self,
        completed: datetime,
        *,
        promised: datetime = NOW + 90 * DAY,
        number: str = NUMBER,
        home: str = REGION,
        returned: bool = False,
    ) -> None:
        """An order that is completed."""
        self.made += 1
        order = Order(id=f"{REGION}/counter/{self.made}", origin_region=REGION, home_region=home)
        order.operator, order.request.number, order.request.business = "counter", number, "SUSPEND"
        order.create_time.CopyFrom(to_timestamp(completed - DAY))
        order.expected_completion_time.CopyFrom(to_timestamp(promised))
        order.state = OrderState.ORDER_STATE_COMPLETED
        order.completion_time.CopyFrom(to_timestamp(completed))
        if returned:
            order.state_changes.add(state=orders.PENDING, reason=orders.RETURNED)
        insert_order(self.tx, OrderRow(order, ""), completed)

    def joint_order(self, ended: datetime, *, promised: datetime = NOW + 90 * DAY, is_partial: bool = False) -> None:
        """A joint order that this region has led to its end."""
        self.made += 1
        order = JointOrder(id=f"{REGION}/J{self.made}", leader_region=REGION, home_region=REGION, version=1)
        order.state = saga.PARTIAL if is_partial else saga.COMPLETED
        order.request.number, order.request.business = NUMBER, "BB_MOVE"
        order.create_time.CopyFrom(to_timestamp(ended - DAY))
        order.expected_completion_time.CopyFrom(to_timestamp(promised))
        order.end_time.CopyFrom(to_timestamp(ended))
        insert_joint_order(self.tx, JointOrderRow(order, ""), self.made, ended)
        note_end(self.tx, order)

    def complaint(
        self, filed: datetime, number: str = NUMBER, level: int = 0, *, owner: str = REGION, origin: str = REGION
    ) -> None:
        """A complaint, which this region owns unless another one does."""
        self.made += 1
        complaint = Complaint(ticket_id=f"{origin}/{self.made}", version=1, origin_region=origin, owner_region=owner)
        complaint.request.number, complaint.request.category = number, "BILL_WRONG"
        complaint.level = level
        complaint.create_time.CopyFrom(to_timestamp(filed))
        insert_complaint(self.tx, ComplaintRow(complaint, ""), self.made, filed)
        keep_figures(self.tx, complaint)

    def fault(
        self,
        reported: datetime,
        *steps: tuple[timedelta, FaultState.ValueType],
        cause: FaultCause.ValueType = FaultCause.FAULT_CAUSE_UNSPECIFIED,
        owner: str = REGION,
        origin: str = REGION,
    ) -> None:
        """A fault with its states, by the time after the report."""
        self.made += 1
        fault = Fault(id=f"{origin}/fault-{self.made}", origin_region=origin, owner_region=owner)
        fault.state, fault.report.number = FaultState.FAULT_STATE_ACKNOWLEDGED, NUMBER
        fault.create_time.CopyFrom(to_timestamp(reported))
        fault.outages.add().start_time.CopyFrom(fault.create_time)
        insert_fault(self.tx, FaultRow(fault, ""), self.made, reported)
        for after, state in steps:
            fault.state, fault.cause = state, cause
            update_fault(self.tx, fault, reported + after)

    def mark(self, mark: int, answers: int) -> None:
        """Some answers to the question about the handling."""
        survey = Survey(id="x", region=REGION, business="SUSPEND", channel="counter")
        for _ in range(answers):
            surveys.count(self.tx, survey, MONTH, HANDLING, mark)

    def figure(self, figure: ScorecardFigure.ValueType, now: datetime = NOW + 60 * DAY) -> MeasuredFigure:
        """A figure of the month."""
        card = scorecard(self.tx, self.context, MONTH, now)
        assert (card.region, card.month) == (REGION, MONTH)
        return next(each for each in card.figures if each.figure == figure)
