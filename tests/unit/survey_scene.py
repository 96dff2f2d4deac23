"""Two regions on databases, with a customer who is asked how satisfied they are."""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.survey_pb2 import Survey, SurveyAnswer, SurveyMark, SurveyQuestion, SurveyRating
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Channel
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_timestamp
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.care.surveys import inviting, rows
from region_node.care.surveys.occasions import require_occasion
from region_node.customers.notices.rows import claim
from region_node.customers.notices.rules import quiet_hours_of
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.node.context import RegionContext
from tests.empty_database import empty_database
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMPLETED = OrderState.ORDER_STATE_COMPLETED
ATTITUDE, HANDLING = SurveyQuestion.SURVEY_QUESTION_ATTITUDE, SurveyQuestion.SURVEY_QUESTION_HANDLING
KIND = EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED
CHINA = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Region:
    """A region without its edges."""

    context: RegionContext
    tx: SqliteTransaction

    def order(self, name: str, number: str = LINE.number) -> str:
        """An order of this region that is completed at once."""
        order = Order(id=f"{self.context.region}/counter/{name}", origin_region=self.context.region, state=COMPLETED)
        order.operator, order.home_region = "counter", "sichuan"
        order.request.number, order.request.business = number, "SUSPEND"
        order.request.requester.channel = Channel.CHANNEL_COUNTER
        order.create_time.CopyFrom(to_timestamp(NOW))
        insert_order(self.tx, OrderRow(order, f"trace of {order.id}"), NOW)
        return order.id

    def notices(self, now: datetime) -> list[str]:
        """The ids of the notices that are due."""
        quiet = quiet_hours_of(FEDERATION, "sichuan")
        return [each.notice.notice_id for each in claim(self.tx, now, 1_000, HOUR, quiet)]


def region_of(stack: contextlib.ExitStack, name: str) -> Region:
    """A region that knows the other; Sichuan has the customer."""
    current = CurrentFederation()
    joined = MemberState.MEMBER_STATE_JOINED
    current.update(FEDERATION, [Member(region=each, state=joined) for each in ("guangdong", "sichuan")])
    context = RegionContext(Border(name, keys().signers[name], keys().trusted, current))
    connection = stack.enter_context(contextlib.closing(empty_database("gateway", "region_node")))
    tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
    if name == "sichuan":
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(tx, LINE)
    return Region(context, tx)


def asked_at_home(home: Region, name: str, now: datetime = NOW) -> Survey | None:
    """The survey after an order that the home region handled itself."""
    asked = require_occasion(home.tx, home.context.region, home.order(name))
    inviting.request(home.tx, home.context, asked, now, "")
    found = rows.find_survey(home.tx, asked.id)
    return None if found is None else found[1]


def invited(home: Region, name: str, now: datetime = NOW) -> str:
    """The token of an invitation."""
    survey = asked_at_home(home, name, now)
    assert survey is not None
    return token_of(home, survey.id)


def token_of(home: Region, survey_id: str) -> str:
    """The token of the invitation to a survey."""
    found = rows.find_survey(home.tx, survey_id)
    assert found is not None
    return found[0].token


def said(mark: SurveyMark.ValueType, recommendation: int = 9, text: str = "") -> SurveyAnswer:
    """An answer to one question."""
    rating = SurveyRating(question=ATTITUDE, mark=mark, words="态度很好")
    return SurveyAnswer(ratings=[rating], recommendation=recommendation, text=text)
