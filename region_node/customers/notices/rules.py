"""The notices that a customer's contact preferences stop, and the hours in which notices wait. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences
from gateway.federation.catalogue import Federation


class Purpose(Enum):
    """The purpose of a notice, which decides whether a customer can refuse it."""

    URGENT = auto()
    """Law or contract demands it at once: it goes to everybody, at any hour."""
    DEMANDED = auto()
    """Law or contract demands it, and it may wait for the morning: it goes to everybody."""
    SERVICE = auto()
    """Useful to the customer, and demanded by nobody: not to customers on the quiet list."""
    SURVEY = auto()
    """Asks for an opinion: not to customers on the quiet list, nor to those who refuse surveys."""
    MARKETING = auto()
    """Offers something: only to customers who consented, and are not on the quiet list."""


TO_EVERYBODY = frozenset({Purpose.URGENT, Purpose.DEMANDED})
"""The purposes that no customer can refuse."""
PURPOSES: Mapping[str, Purpose] = {
    # Telecommunications Regulations art. 33 and 34: abnormal charges, arrears, suspension and its end.
    "bill": Purpose.DEMANDED,
    "abnormal-bill": Purpose.URGENT,
    "suspension-ahead": Purpose.DEMANDED,
    "suspended": Purpose.URGENT,
    "termination-ahead": Purpose.DEMANDED,
    "terminated": Purpose.URGENT,
    "resumed": Purpose.URGENT,
    # The contract: the security of the account.
    "one-time-code": Purpose.URGENT,
    "password-changed": Purpose.URGENT,
    "password-reset": Purpose.URGENT,
    "other-contact": Purpose.URGENT,
    # PIPL art. 15 and 23: a known consent can be withdrawn.
    "consent-given": Purpose.URGENT,
    "consent-withdrawn": Purpose.URGENT,
    # Telecom Service Specifications (Order 36) art. 8: line works are announced; faults are repaired by the contract.
    "planned-outage": Purpose.URGENT,
    "network-problem": Purpose.URGENT,
    "fault": Purpose.URGENT,
    # PIPL art. 44 to 50: the customer can put right what another region says was decided.
    "contact-changed": Purpose.DEMANDED,
    # The contract: credits and corrections, and the course of what the customer asked for.
    "service-credit": Purpose.DEMANDED,
    "account-corrected": Purpose.DEMANDED,
    "joint": Purpose.URGENT,
    "complaint": Purpose.URGENT,
    "support": Purpose.URGENT,
    "move": Purpose.URGENT,
    "order-verify": Purpose.URGENT,
    "contract-reminder": Purpose.SERVICE,
    "survey": Purpose.SURVEY,
}
"""By kind of notice, or by its beginning before a hyphen."""


def listed_kind(kind: str) -> str:
    """The kind that `PURPOSES` lists for a kind of notice, its own or its beginning; the first word for none."""
    name = kind
    while name not in PURPOSES and "-" in name:
        name = name.rpartition("-")[0]
    return name


def purpose_of(kind: str) -> Purpose:
    """The purpose of a kind of notice; marketing for a kind that is not listed."""
    return PURPOSES.get(listed_kind(kind), Purpose.MARKETING)


def is_permitted(purpose: Purpose, preferences: ContactPreferences) -> bool:
    """Whether a customer permits a notice (Consumer Rights Law, art. 29)."""
    match purpose:
        case Purpose.URGENT | Purpose.DEMANDED:
            return True
        case Purpose.SERVICE:
            return not preferences.quiet
        case Purpose.SURVEY:
            return not (preferences.quiet or preferences.no_surveys)
        case Purpose.MARKETING:
            return preferences.marketing and not preferences.quiet


@dataclass(frozen=True)
class QuietHours:
    """The hours of a region's day in which no notice goes out that may wait. They may span midnight or be empty."""

    start: int
    """The first hour."""
    end: int
    """The hour at which they are over, at most 24."""
    zone: ZoneInfo

    def over(self, now: datetime) -> datetime:
        """The first time from now on outside of the quiet hours."""
        local = now.astimezone(self.zone)
        is_over_midnight = self.start > self.end
        is_evening, is_early = local.hour >= self.start, local.hour < self.end
        if not (is_evening or is_early if is_over_midnight else is_evening and is_early):
            return now
        day = local.date() + timedelta(days=1) if is_over_midnight and is_evening else local.date()
        return datetime.combine(day, time(0), self.zone) + timedelta(hours=self.end)  # 24 is a midnight, too


def quiet_hours_of(federation: Federation, region: str) -> QuietHours:
    """The quiet hours of a region. Raises Refused with CONFIGURATION_INVALID where the federation has none."""
    start, end = (federation.figure(f"survey-quiet-{name}", (region,)) for name in ("from", "until"))
    return QuietHours(start, end, ZoneInfo(federation.region(region).time_zone))


def due_from(kind: str, now: datetime, quiet: QuietHours | None) -> datetime:
    """The first time from now on at which a kind of notice may go out. Without quiet hours that is now."""
    return now if quiet is None or purpose_of(kind) is Purpose.URGENT else quiet.over(now)
