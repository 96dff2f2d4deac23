"""The value of a policy between regions: the strictest of the national and the regional values. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import (
    Configuration,
    Figure,
    Policy,
    ProofWay,
    RegionalLimit,
    RegionalPolicy,
    Stricter,
    TimeLimit,
)
from gateway.federation.body import BILL_READINGS, LEGAL_DUTY_READINGS

COOLING_OFF = "cooling-off"
"""The policy with the hours for which an order waits for the customer's own proof (STEP_VERIFY)."""
CONSENT_COOLING_OFF = "consent-cooling-off"
"""The policy with the hours for which a consent on paper that another region has seen waits for the customer."""
PROOF_OF_CONSENT = "proof-of-consent"
"""The policy with the ways of proof of a consent on paper that another region has seen."""
OTHER_CONTACT_SETTLES = "other-contact-settles"
"""The policy with the hours behind a change of other contacts in which a new one gets no code."""
SIM_SETTLES = "sim-settles"
"""The policy with the hours behind a change of SIM card in which PRECONDITION_SIM_SETTLED does not hold."""
MONTH_BEGIN = "month-begin"
"""The policy with the first days of a month on which PRECONDITION_MONTH_BEGUN does not hold."""
UNREVIEWED_AMOUNT = "unreviewed-amount"
"""The policy with the largest amount of an order from another region that no staff of the home region review."""
UNREVIEWED_OF_OPERATOR = "unreviewed-of-operator"
"""The same for all such orders of one operator system in a day."""
UNREVIEWED_OF_REGION = "unreviewed-of-region"
"""The same for all such orders of one region in a day."""
OPEN_WORK = "open-work-of-operator"
"""The policy with the most open records of an operator system."""
DAY_WORK = "day-work-of-operator"
"""The policy with the most acts and readings of an operator system in a day."""
GIVEN_AWAY = "numbers-given-away"
"""The policy with the most numbers that a region may have given away."""
ANOMALOUS = (
    "anomalous-lines-of-staff",
    "anomalous-lines-of-operator",
    "anomalous-lines-of-region",
    "anomalous-failures-of-staff",
    "anomalous-failures-of-operator",
    "anomalous-failures-of-region",
    "anomalous-lines-at-unusual-hours",
)
"""The policies with the most dealings in an hour: lines, failures, and lines at unusual hours."""
UNKNOWN_NUMBERS = ("unknown-numbers-of-staff", "unknown-numbers-of-operator", "unknown-numbers-of-region")
"""The policies with the most unknown numbers in an hour."""
UNREVIEWED = (UNREVIEWED_AMOUNT, UNREVIEWED_OF_OPERATOR, UNREVIEWED_OF_REGION)
"""The policies that limit money across a border, of the businesses that name them."""
LIMITING = (
    *UNREVIEWED,
    LEGAL_DUTY_READINGS,
    BILL_READINGS,
    *ANOMALOUS,
    *UNKNOWN_NUMBERS,
    OPEN_WORK,
    DAY_WORK,
    GIVEN_AWAY,
    CONSENT_COOLING_OFF,
)
"""The policies that bound others, and that a valid configuration may lack: without a policy its limit is off."""

_WAYS_WITHOUT_POLICY = frozenset(
    {
        ProofWay.PROOF_WAY_CODE_TO_LINE,
        ProofWay.PROOF_WAY_PASSWORD,
        ProofWay.PROOF_WAY_COOLING_OFF,
        ProofWay.PROOF_WAY_HOME_STAFF,
    }
)


@dataclass(frozen=True)
class Promise:
    """A limit, its region (empty for the national one), and its end."""

    region: str
    limit: TimeLimit
    due_time: datetime


Due = Callable[[TimeLimit, str], datetime]
"""When a limit ends by the calendar and in the time zone of a region."""


def promises(
    national: TimeLimit, regional: Iterable[RegionalLimit | RegionalPolicy], regions: Sequence[str], due: Due
) -> list[Promise]:
    """The national limit and those of the regions, strictest first: the earliest end first.

    `regions` are the origin and the home region; the calendar of the last one counts for the national limit. A regional
    limit that is looser than the national one is listed, but never first.
    """
    found = [Promise("", national, due(national, regions[-1]))]
    found += [
        Promise(each.region, each.limit, due(each.limit, each.region)) for each in regional if each.region in regions
    ]
    return sorted(found, key=lambda each: each.due_time)


def strictest_figure(policy: Policy, regions: Collection[str]) -> Figure:
    """The value of a figure between regions."""
    figures = [policy.figure, *(each.figure for each in policy.regional if each.region in regions)]
    strictest = max if policy.stricter == Stricter.STRICTER_HIGHER else min
    return strictest(figures, key=lambda each: each.value)


def missing_limits(configuration: Configuration) -> list[str]:
    """The limiting policies that are off with a configuration, in the order of LIMITING.

    A limit of money is off, too, where no business names its policy.
    """
    known = {policy.name for policy in configuration.policies}
    named = {name for business in configuration.businesses for name in business.policies}
    return [name for name in LIMITING if name not in known or (name in UNREVIEWED and name not in named)]


def proof_ways(policies: Iterable[Policy]) -> frozenset[ProofWay.ValueType]:
    """The ways of proof of the policy that has some; without such a policy all but a code to another contact."""
    named = next((each for each in policies if each.HasField("ways")), None)
    return _WAYS_WITHOUT_POLICY if named is None else frozenset(each.way for each in named.ways.ways)
