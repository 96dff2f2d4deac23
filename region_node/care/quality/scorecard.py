"""The scorecard of a region's month, of plain columns that its parts keep. It opens no sealed record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.federation.v1.agreement_pb2 import AgreementTemplate
from gateway.api.region.v1.quality_service_pb2 import FormerMonth, Scorecard
from gateway.api.region.v1.survey_pb2 import SurveyQuestion
from gateway.store.batched_lookup import among
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.scorecard_figures import Counted, measured
from region_node.business.billing.rules import Month
from region_node.business.reconciliation.rows import compared_in
from region_node.care.complaints.figure_rows import Filed, count_customers, totals
from region_node.care.quality.sample_rows import judged_in
from region_node.care.surveys.rows import counts_between
from region_node.care.surveys.rules import closing_of, find_policy
from region_node.network.agreements import rules as agreements
from region_node.network.agreements.outages import outages_of
from region_node.network.agreements.part_outages import together_outages_of
from region_node.network.agreements.rules import NOTICE_POLICY
from region_node.network.agreements.spans import Span
from region_node.network.faults.rows import repair_times
from region_node.node.context import RegionContext

COMPLAINED_WITHIN = timedelta(days=30)
"""After its completion, a complaint about the number counts against an order."""


def scorecard(tx: Transaction, context: RegionContext, name: str, now: datetime) -> Scorecard:
    """The figures that the configuration defines, of the month `name`, `YYYY-MM`; of a running one until now."""
    counted = _counted(tx, context, Month.of(name, context.time_zone), now)
    defined = context.federation.configuration.quality.figures
    return Scorecard(region=context.region, month=name, figures=[measured(each.figure, counted) for each in defined])


def former_months(
    tx: Transaction, context: RegionContext, regions: Sequence[str], name: str, now: datetime
) -> list[FormerMonth]:
    """The counts of regions that have left, of the records that this region took in for them, as `scorecard`."""
    month = Month.of(name, context.time_zone)
    span = Span(to_microseconds(month.start), to_microseconds(month.end))
    # One look at the orders and the faults of the month for all regions: no index has these by region.
    orders = _orders(tx, regions, span)
    times = repair_times(tx, regions, span.start, span.end, origin=context.region)
    found = []
    for region in regions:
        completed = orders.get(region, _Orders())
        complaints = totals(tx, Filed(region, span.start, span.end, to_microseconds(now), origin=context.region))
        records, differences = compared_in(tx, month.name, former=region)
        one = FormerMonth(
            region=region,
            orders=completed.completed,
            orders_in_time=completed.in_time,
            orders_right=completed.right,
            complaints=complaints.filed,
            complaints_timed=complaints.timed,
            complaints_in_time=complaints.in_time,
            complaints_repeated=complaints.repeated,
            complaints_appealed=complaints.appealed,
            repair_times=times.get(region, ()),
            records_compared=records,
            records_different=differences,
        )
        found.append(one)
    return found


def _counted(tx: Transaction, context: RegionContext, month: Month, now: datetime) -> Counted:
    span = Span(to_microseconds(month.start), to_microseconds(month.end))
    orders = _orders(tx, [context.region], span, leader=context.region).get(context.region, _Orders())
    complaints = totals(tx, Filed(context.region, span.start, span.end, to_microseconds(now)))
    service_time, downtime = _availability(tx, context, span, now)
    policy = find_policy(context.federation, context.region)
    records, differences = compared_in(tx, month.name)
    judged, passed = judged_in(tx, month.name)
    return Counted(
        orders=orders.completed,
        orders_in_time=orders.in_time,
        orders_right=orders.right,
        customers=count_customers(tx),
        complaints=complaints.filed,
        complaints_timed=complaints.timed,
        complaints_in_time=complaints.in_time,
        complaints_repeated=complaints.repeated,
        complaints_appealed=complaints.appealed,
        repair_times=repair_times(tx, [context.region], span.start, span.end).get(context.region, ()),
        service_time=service_time,
        downtime=downtime,
        marks={} if policy is None or now < closing_of(month.name, month.time_zone, policy) else _marks(tx, month.name),
        smallest_group=policy.smallest_group if policy is not None else 1,
        records_compared=records,
        records_different=differences,
        records_judged=judged,
        records_passed=passed,
    )


class _Orders(NamedTuple):
    completed: int = 0
    in_time: int = 0
    right: int = 0


def _orders(tx: Transaction, regions: Sequence[str], span: Span, leader: str = "") -> Mapping[str, _Orders]:
    """The orders that home regions completed in a month, by region.

    Those of `leader`, which is this region, have the joint orders that it led to an end.
    """
    complained = (
        "EXISTS (SELECT 1 FROM complaints AS c WHERE c.number_index = o.number_index AND c.number_index <> ''"
        " AND c.create_time > o.end_time AND c.create_time <= o.end_time + :within)"
    )
    joint = (
        " UNION ALL SELECT CAST(:leader AS TEXT), e.end_time, e.is_late, e.is_partial, j.number_index"
        " FROM joint_order_ends AS e"
        " JOIN joint_orders AS j ON j.joint_order_id = e.joint_order_id"
        " WHERE e.end_time >= :start AND e.end_time < :end"
    )
    named, parameters = among(regions)
    if leader:
        parameters["leader"] = leader
    found = tx.all(
        lambda region, *counts: (str(region), _Orders(*counts)),
        "SELECT o.region, COUNT(*), CAST(COALESCE(SUM(1 - is_late), 0) AS BIGINT),"  # noqa: S608 - no values
        f" CAST(COALESCE(SUM(CASE WHEN is_wrong = 1 OR {complained} THEN 0 ELSE 1 END), 0) AS BIGINT) FROM ("
        "SELECT home_region AS region, completion_time AS end_time, is_late, is_returned AS is_wrong,"
        " number AS number_index FROM orders"
        f" WHERE completion_time >= :start AND completion_time < :end AND home_region IN ({named})"
        f"{joint if leader else ''}) AS o GROUP BY o.region",
        start=span.start,
        end=span.end,
        within=COMPLAINED_WITHIN // timedelta(microseconds=1),
        **parameters,
    )
    return dict(found)


def _availability(tx: Transaction, context: RegionContext, month: Span, now: datetime) -> tuple[int, int]:
    """The time and the downtime of all services that the region runs, as its agreements count them, in microseconds."""
    federation = context.federation
    span = month.within(Span(month.start, to_microseconds(now)))
    services = [each.id for each in federation.network.services.values() if each.region == context.region]
    if not services or not span.length:
        return 0, 0
    notice = timedelta(hours=federation.figure(NOTICE_POLICY, (context.region,)))
    down = 0
    for service in services:
        outages = [
            *outages_of(tx, service, "", span),
            *together_outages_of(tx, federation.network, service, span),
        ]
        down += agreements.compute(agreements.Situation(AgreementTemplate(), month, span, 0, notice, outages)).downtime
    return span.length * len(services), down


def _marks(tx: Transaction, month: str) -> Counter[int]:
    marks: Counter[int] = Counter()
    for each in counts_between(tx, month, month):
        if each.question == SurveyQuestion.SURVEY_QUESTION_HANDLING:
            marks[each.mark] += each.answers
    return marks
