"""Room in the registry for the cases of a region: its oldest ended cases go. Pure."""

from collections.abc import Sequence
from datetime import datetime

from coordinator.cases import rules
from coordinator.registry import shares
from coordinator.registry.case_room import charge_of, charges_of
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.time.clock import from_timestamp


def past(kept: Sequence[CaseHeader], now: datetime) -> list[CaseHeader]:
    """The cases to forget: those that ended long ago, and of a region whose share is nearly full the oldest ended."""
    gone, others = list[CaseHeader](), list[CaseHeader]()
    for each in kept:
        (gone if rules.is_past(each, now) else others).append(each)
    left = dict(charges_of(others))
    crowded = {region for region, charge in left.items() if charge > shares.crowded(shares.CASES)}
    ended = [each for each in others if each.HasField("end_time")]
    for each in sorted(ended, key=lambda each: (from_timestamp(each.end_time), each.ticket_id)):
        region = shares.region_of(each.ticket_id)
        if region in crowded and left[region] > shares.relieved(shares.CASES):
            gone.append(each)
            left[region] -= charge_of(each)
    return gone
