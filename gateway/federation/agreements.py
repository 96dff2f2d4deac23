"""Whether a region's data agreement with the federation is in force. Pure."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Region


def agreement_holds(region: Region, now: datetime) -> bool:
    """Whether the region has an agreement that covers the current day in its time zone; `now` in any zone."""
    if not region.HasField("data_agreement"):
        return False
    agreement = region.data_agreement
    today = now.astimezone(ZoneInfo(region.time_zone)).date()
    return date.fromisoformat(agreement.first_date) <= today <= date.fromisoformat(agreement.last_date)
