"""The notices that a customer's contact preferences stop. Pure."""

from collections.abc import Mapping
from enum import Enum, auto

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences


class Purpose(Enum):
    """The purpose of a notice, which decides whether a customer can refuse it."""

    DEMANDED = auto()
    """Law or contract demands it: it goes out all the same."""
    SERVICE = auto()
    """Useful to the customer, and demanded by nobody: not to customers on the quiet list."""
    SURVEY = auto()
    """Asks for an opinion: not to customers on the quiet list, nor to those who refuse surveys."""
    MARKETING = auto()
    """Offers something: only to customers who consented, and are not on the quiet list."""


_PURPOSES: Mapping[str, Purpose] = {
    # Telecommunications Regulations art. 33 and 34: abnormal charges, arrears, suspension and its end.
    "bill": Purpose.DEMANDED,
    "abnormal-bill": Purpose.DEMANDED,
    "suspension-ahead": Purpose.DEMANDED,
    "suspended": Purpose.DEMANDED,
    "termination-ahead": Purpose.DEMANDED,
    "terminated": Purpose.DEMANDED,
    "resumed": Purpose.DEMANDED,
    # The contract: the security of the account.
    "password-changed": Purpose.DEMANDED,
    "password-reset": Purpose.DEMANDED,
    # PIPL art. 15 and 23: a known consent can be withdrawn.
    "consent-given": Purpose.DEMANDED,
    "consent-withdrawn": Purpose.DEMANDED,
    # Telecom Service Specifications (Order 36) art. 8: line works are announced; faults are repaired by the contract.
    "planned-outage": Purpose.DEMANDED,
    "network-problem": Purpose.DEMANDED,
    "fault": Purpose.DEMANDED,
    # The contract: credits, and the course of what the customer asked for.
    "service-credit": Purpose.DEMANDED,
    "joint": Purpose.DEMANDED,
    "complaint": Purpose.DEMANDED,
    "support": Purpose.DEMANDED,
    "move": Purpose.DEMANDED,
    "contract-reminder": Purpose.SERVICE,
    "survey": Purpose.SURVEY,
}
"""By kind of notice, or by its beginning before a hyphen."""


def purpose_of(kind: str) -> Purpose:
    """The purpose of a kind of notice; marketing for a kind that is not listed."""
    name = kind
    while name not in _PURPOSES and "-" in name:
        name = name.rpartition("-")[0]
    return _PURPOSES.get(name, Purpose.MARKETING)


def is_permitted(purpose: Purpose, preferences: ContactPreferences) -> bool:
    """Whether a customer permits a notice (Consumer Rights Law, art. 29)."""
    match purpose:
        case Purpose.DEMANDED:
            return True
        case Purpose.SERVICE:
            return not preferences.quiet
        case Purpose.SURVEY:
            return not (preferences.quiet or preferences.no_surveys)
        case Purpose.MARKETING:
            return preferences.marketing and not preferences.quiet
