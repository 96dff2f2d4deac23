"""Whether a region's data agreement with the federation is in force. Pure."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Region


def agreement_holds(region: Region, now: datetime) -> bool:
    """Whether there is an agreement and the day, in the region's time zone, is one of its days; `now` in any zone."""
    if not region.HasField("data_agreement"):
        return False
    agreement = region.data_agreement
    today = now.astimezone(ZoneInfo(region.time_zone)).date()
    return date.fromisoformat(agreement.first_day) <= today <= date.fromisoformat(agreement.last_day)
