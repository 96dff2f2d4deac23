"""Invitations: the region that handled an occasion requests one, and the home region of the customer decides."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import Survey, SurveyOccasion
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.joint.openings import number_of
from region_node.business.joint.rows import ORDER_RECORDS, own_items
from region_node.care.surveys import rows
from region_node.care.surveys.rules import Policy, find_policy, in_sample
from region_node.customers.contact_preferences import preferences_of
from region_node.customers.listed_lines import lines_after
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.notices.rules import Purpose, is_permitted
from region_node.customers.rows import Line, find_line
from region_node.customers.status import ACTIVE, status_of
from region_node.node.context import RegionContext

CAMPAIGN_TIMER = "survey-campaign"
_LIFETIME = timedelta(days=14)  # later the customer hardly remembers the occasion
_PAGE = 200  # lines in one transaction
_BETWEEN = "\n"  # between the ids of a customer and a line
_BREATH = timedelta(seconds=1)


def envelope_about(survey_id: str) -> str:
    """The subject of the envelope about a survey. It is forgotten a day after its receipt."""
    return f"survey/{survey_id}"


def request(tx: Transaction, context: RegionContext, asked: SurveyRequested, now: datetime, traceparent: str) -> None:
    """Requests an invitation from the home region of the customer, here or by an envelope, once for each occasion."""
    home = _home_of(tx, context, asked)
    if home == context.region:
        invite(tx, context, asked, context.region, now)
        return
    if home is None or context.border.current.state().member_state(home) == MemberState.MEMBER_STATE_ABSENT:
        return
    outgoing = OutgoingEnvelope(
        envelope_id=f"{envelope_about(asked.id)}>{home}",
        destination=home,
        kind=EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED,
        payload=asked.SerializeToString(),
        subject=envelope_about(asked.id),
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    if not was_sent(tx, outgoing.envelope_id):
        send(tx, context.border, outgoing, now=now, traceparent=traceparent)


def invite(tx: Transaction, context: RegionContext, asked: SurveyRequested, region: str, now: datetime) -> bool:
    """Invites a customer of this region, unless the customer refuses, is gone, or had an invitation lately.

    `region` handled the occasion. Returns whether there is a new invitation.
    """
    number = _number_of(tx, context, asked, region)
    line, policy = find_line(tx, number) if number else None, find_policy(context.federation, context.region)
    if line is None or policy is None or rows.is_known(tx, asked.id) or not _may_be_asked(tx, line, policy, now):
        return False
    zone = ZoneInfo(context.time_zone)
    survey = Survey(
        id=asked.id,
        occasion=asked.occasion,
        region=region,
        business=asked.business,
        channel=asked.channel,
        number=line.number,
        invite_time=to_timestamp(now),
        expire_time=to_timestamp(policy.quiet.over(now) + policy.open_for),
    )
    token = rows.insert_survey(tx, survey, line.customer_id)
    rows.count(tx, survey, rows.month_of(now.astimezone(zone)), rows.INVITATIONS)
    tell(tx, Notice(f"survey/{asked.id}", "survey", line.number, _text(token)), now)
    return True


def start_campaign(tx: Transaction, name: str, percent: int, now: datetime) -> None:
    """Invites a share of the region's customers, page by page."""
    set_timer(tx, f"{CAMPAIGN_TIMER}/{name}", kind=CAMPAIGN_TIMER, subject=f"{name} {percent} {_BETWEEN}", due=now)


def campaign_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Invites the customers of one page of lines, and returns for the next.

    The share is one of customers: a second line makes no second invitation. The subject of the timer is the campaign,
    its percent, and the last line of the page before.
    """
    name, percent, place = timer.subject.split(" ", 2)
    customer_id, _, product_id = place.partition(_BETWEEN)
    lines = lines_after(tx, customer_id, product_id, _PAGE)
    for line in lines:
        survey_id = f"{context.region}/campaign/{name}/{line.customer_id}"
        if in_sample(survey_id, int(percent)):
            asked = SurveyRequested(id=survey_id, occasion=SurveyOccasion.SURVEY_OCCASION_CAMPAIGN, number=line.number)
            invite(tx, context, asked, context.region, now)
    if len(lines) == _PAGE:
        subject = f"{name} {percent} {lines[-1].customer_id}{_BETWEEN}{lines[-1].product_id}"
        set_timer(tx, timer.timer_id, kind=CAMPAIGN_TIMER, subject=subject, due=now + _BREATH)


def _home_of(tx: Transaction, context: RegionContext, asked: SurveyRequested) -> str | None:
    """The home region of a number, or the region of the item that has opened the line."""
    if not asked.item_id:
        return context.federation.number_plan.home_of(asked.number)
    order = ORDER_RECORDS.read(tx, asked.id)
    return None if order is None else next((each.region for each in order.items if each.id == asked.item_id), None)


def _number_of(tx: Transaction, context: RegionContext, asked: SurveyRequested, region: str) -> str:
    """The number of a request of a region. It learns no number of a line that an item here has opened."""
    if not asked.item_id:
        return asked.number
    order = ORDER_RECORDS.read(tx, asked.id)
    if order is None or order.leader_region != region:
        return ""
    item = next((each for each in own_items(tx, context.region, order) if each.id == asked.item_id), None)
    return "" if item is None else number_of(tx, order, item)


def _may_be_asked(tx: Transaction, line: Line, policy: Policy, now: datetime) -> bool:
    if line.is_closed or status_of(tx, line.customer_id) != ACTIVE:
        return False
    if not is_permitted(Purpose.SURVEY, preferences_of(tx, line.customer_id)):
        return False
    last = rows.last_invited(tx, line.customer_id)
    return last is None or last <= to_microseconds(now - policy.rest)


def _text(token: str) -> LocalizedText:
    return LocalizedText(
        zh_cn=f"请评价我们的服务：态度、办理、投诉处理（1至5分），以及推荐意愿（0至10分）。可在App或任一地区热线回复，评价码{token}。如不愿接收，请告知我们。",
        en="How satisfied are you with our attitude, our handling, and our answer to complaints (1 to 5), and would you"
        f" recommend us (0 to 10)? Answer in our app, or call any region's hotline, with the code {token}. Tell us if"
        " you want no such questions.",
    )
