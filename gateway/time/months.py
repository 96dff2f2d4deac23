"""Months by their names, `YYYY-MM`. Pure."""

import re
from datetime import datetime

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_MONTH = re.compile(r"(?:19|20|21)\d{2}-(?:0[1-9]|1[0-2])", re.ASCII)


def is_month(text: str) -> bool:
    """Whether a text names a month of the years 1900 to 2199."""
    return _MONTH.fullmatch(text) is not None


def require_month(field: str, text: str) -> None:
    """Raises Refused with REQUEST_INVALID for a text that is no month."""
    if not is_month(text):
        raise Refused(
            Reason.REASON_REQUEST_INVALID, field=field, problem="not YYYY-MM", problem_zh_cn="须为YYYY-MM格式的月份"
        )


def require_begun(field: str, month: str, now: datetime) -> None:
    """Raises Refused with REQUEST_INVALID for a month after that of `now`, a time in the zone that counts."""
    if month > f"{now:%Y-%m}":
        problem, problem_zh_cn = "the month has not begun", "该月份尚未开始"
        raise Refused(Reason.REASON_REQUEST_INVALID, field=field, problem=problem, problem_zh_cn=problem_zh_cn)


def month_before(month: str, months: int) -> str:
    """The month `months` months earlier."""
    return _name(_number(month) - months)


def months_between(first: str, last: str) -> list[str]:
    """The months from the first to the last, both with them; empty where the last lies before the first."""
    return [_name(number) for number in range(_number(first), _number(last) + 1)]


def _number(month: str) -> int:
    year, _, number = month.partition("-")
    return int(year) * 12 + int(number) - 1


def _name(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
