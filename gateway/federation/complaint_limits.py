"""The limits for the resolution of a complaint: the category's before the severity's, and the legal cap. Pure."""

from collections.abc import Callable, Iterable

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import (
    ComplaintCategory,
    ComplaintSeverity,
    Policy,
    RegionalLimit,
    RegionalPolicy,
    TimeLimit,
)
from gateway.federation.complaint_rules import LEGAL_CAP, RURAL_RESOLUTION, STAGES, severity_policy
from gateway.federation.policies import Promise

Promises = Callable[[TimeLimit, Iterable[RegionalLimit | RegionalPolicy]], list[Promise]]
"""Computes the ends of a national limit and of those of the regions concerned."""


def resolution_limit(category: ComplaintCategory, *, rural: bool) -> TimeLimit:
    """The category's own limit, which must exist: the rural limit for a rural address, if there is one."""
    return category.rural_limit if rural and category.HasField("rural_limit") else category.resolution_limit


def resolution_policy(severity: ComplaintSeverity.ValueType, *, rural: bool) -> str:
    """The policy with the limit of a severity: only S2 has a rural one."""
    is_rural = rural and severity == contract.COMPLAINT_SEVERITY_S2
    return RURAL_RESOLUTION if is_rural else severity_policy(severity, STAGES[-1])


def resolution_promises(
    category: ComplaintCategory,
    severity: ComplaintSeverity.ValueType,
    policy: Callable[[str], Policy],
    promises: Promises,
    *,
    rural: bool,
) -> list[Promise]:
    """All limits of a complaint, strictest first, with the legal cap among them."""
    cap = policy(LEGAL_CAP)
    found = promises(cap.limit, cap.regional)
    if category.HasField("resolution_limit"):
        found += promises(resolution_limit(category, rural=rural), category.regional_limits)
    else:
        own = policy(resolution_policy(severity, rural=rural))
        found += promises(own.limit, own.regional)
    return sorted(found, key=lambda each: each.due_time)
