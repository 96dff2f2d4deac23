"""The value of a policy between regions: the strictest of the national and the regional values. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import (
    Figure,
    Policy,
    RegionalLimit,
    RegionalPolicy,
    Stricter,
    TimeLimit,
)

COOLING_OFF = "cooling-off"
"""The policy with the hours for which an order waits for the customer's own proof (STEP_VERIFY)."""
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


def strictest_figure(policy: Policy, regions: Sequence[str]) -> Figure:
    """The value of a figure between regions."""
    figures = [policy.figure, *(each.figure for each in policy.regional if each.region in regions)]
    strictest = max if policy.stricter == Stricter.STRICTER_HIGHER else min
    return strictest(figures, key=lambda each: each.value)
