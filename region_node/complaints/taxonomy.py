"""What kinds of complaint there are, and who answers for each, as a port.

Until the categories are part of the federation's configuration, those most in use stand here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from gateway.api.federation.v1.configuration_pb2 import TimeLimit
from gateway.api.region.v1.complaint_pb2 import ComplaintRequest, Severity
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused


class Owner(Enum):
    """Whose department is responsible."""

    HANDLING = "handling"
    HOME = "home"
    LOCATION = "location"
    COORDINATOR = "coordinator"


@dataclass(frozen=True)
class Category:
    """A kind of complaint: the department in the owner's region, the severity, and a limit that goes before its own."""

    code: str
    name: LocalizedText
    department: LocalizedText
    owner: Owner
    severity: Severity.ValueType
    limit: TimeLimit | None


class Taxonomy(Protocol):
    """The categories in force."""

    def category(self, code: str) -> Category:
        """Raises Refused with COMPLAINT_CATEGORY_UNKNOWN."""
        ...


class UsualCategories:
    """The categories most in use."""

    def __init__(self) -> None:
        self._categories: Mapping[str, Category] = {each.code: each for each in _usual()}

    def category(self, code: str) -> Category:
        """Raises Refused with COMPLAINT_CATEGORY_UNKNOWN."""
        found = self._categories.get(code)
        if found is None:
            raise Refused(Reason.REASON_COMPLAINT_CATEGORY_UNKNOWN, category=code)
        return found


def owner_of(category: Category, request: ComplaintRequest, *, handling: str, home: str | None) -> str:
    """The region that is responsible.

    Where the home region is not known, and where the coordinator would have to lead several, the region that received
    it first leads (Measures on complaints to market regulators, art. 13).
    """
    if category.owner == Owner.HOME:
        return home or handling
    if category.owner == Owner.LOCATION:
        return request.location_region or handling
    return handling


def _usual() -> list[Category]:
    low, normal, major, critical = (
        Severity.SEVERITY_LOW,
        Severity.SEVERITY_NORMAL,
        Severity.SEVERITY_MAJOR,
        Severity.SEVERITY_CRITICAL,
    )
    quality, billing = ("服务质量监督部", "Service quality"), ("计费账务部", "Billing")
    marketing, network = ("市场部", "Marketing"), ("网络运维部", "Network operation")
    return [
        _category("SVC_ATTITUDE", ("服务态度", "Attitude"), quality, Owner.HANDLING, low, _working_days(5)),
        _category("SVC_CONTRACT", ("合约、套餐限制", "Contract or plan"), marketing, Owner.HOME, normal, None),
        _category("SVC_PORTING", ("携号转网受阻", "Porting obstructed"), marketing, Owner.HOME, major, None),
        _category("BILL_WRONG", ("计费错误", "Wrong charge"), billing, Owner.HOME, normal, _working_days(5)),
        _category("BILL_VAS", ("未订购增值业务", "Service not ordered"), billing, Owner.HOME, major, _hours(48)),
        _category("BILL_ABNORMAL", ("异常高额账单", "Abnormal bill"), billing, Owner.HOME, major, _hours(24)),
        _category("NET_OUTAGE", ("网络中断", "Outage"), network, Owner.LOCATION, major, _hours(48)),
        _category("NET_SPEED", ("速率、时延", "Speed"), network, Owner.LOCATION, normal, _hours(72)),
        _category("PRIV_LEAK", ("个人信息泄露", "Leak"), ("信息安全部", "Security"), Owner.HOME, critical, _hours(24)),
        _category(
            "SVC_XREGION_REFUSED", ("异地办理被拒", "Sent home"), quality, Owner.COORDINATOR, normal, _working_days(2)
        ),
        _category("SUGGESTION", ("建议", "Suggestion"), quality, Owner.HANDLING, low, None),
    ]


def _category(
    code: str,
    name: tuple[str, str],
    department: tuple[str, str],
    owner: Owner,
    severity: Severity.ValueType,
    limit: TimeLimit | None,
) -> Category:
    return Category(code, _text(name), _text(department), owner, severity, limit)


def _text(told: tuple[str, str]) -> LocalizedText:
    return LocalizedText(zh_cn=told[0], en=told[1])


def _hours(hours: int) -> TimeLimit:
    limit = TimeLimit(source="Default of the taxonomy of complaints")
    limit.duration.FromTimedelta(timedelta(hours=hours))
    return limit


def _working_days(days: int) -> TimeLimit:
    return TimeLimit(working_days=days, source="Default of the taxonomy of complaints")
