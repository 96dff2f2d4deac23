"""The promises of a guide: the limits and policies in force between the origin and the home region. Pure."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import Policy, Step
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse, LimitInForce
from gateway.federation.catalogue import Federation
from gateway.time.clock import to_timestamp
from region_node.business.billing.rules import next_cycle


def fill_promises(
    response: GetBusinessGuideResponse, federation: Federation, regions: Sequence[str], now: datetime
) -> None:
    """Adds limits, policies and the due date of `response.business`; `regions`: the origin and the home region."""
    business, home = response.business, regions[-1]
    response.limits.extend(
        LimitInForce(region=each.region, limit=each.limit, due_time=to_timestamp(each.due_time))
        for each in federation.promises(business, now, regions)
    )
    response.policies.extend(_of_regions(federation.policy(name), regions) for name in business.policies)
    # As for an order: a change at the next billing cycle is promised from there.
    begins = next_cycle(now, federation.region(home).time_zone) if Step.STEP_NEXT_CYCLE in business.steps else now
    strictest = federation.promises(business, begins, regions)[0]
    response.expected_completion_time.CopyFrom(to_timestamp(strictest.due_time))
    response.calendar_missing = bool(federation.years_without_calendar(strictest, begins, home))


def _of_regions(policy: Policy, regions: Sequence[str]) -> Policy:
    """A policy with the values of these regions only."""
    told = Policy()
    told.CopyFrom(policy)
    del told.regional[:]
    told.regional.extend(each for each in policy.regional if each.region in regions)
    return told
