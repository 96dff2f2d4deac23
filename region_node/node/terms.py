"""Months on the calendar: tenures and contract terms. Pure."""

import calendar
from datetime import date


def add_months(day: date, months: int) -> date:
    """The same day `months` months later, or earlier for less than 0. In a shorter month, its last day.

    Raises ValueError outside of the years 1 to 9999.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        raise ValueError(f"the year {year} is out of range")
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def term_end(start: date, months: int, as_of: date) -> date:
    """The end of the term that is current at `as_of`. Terms of `months` months follow each other from `start` on.

    Raises ValueError for terms without a length.
    """
    if months <= 0:
        raise ValueError("a term has at least one month")
    passed = (as_of.year - start.year) * 12 + as_of.month - start.month
    count = max(passed // months, 0)
    while (end := add_months(start, count * months)) <= as_of or end <= start:
        count += 1
    return end
