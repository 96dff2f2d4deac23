"""The filters that several lists have, and the pages of those that the console divides itself."""

import re

from gateway.errors import invalid
from gateway.time.months import month_before, months_between, require_month
from gateway.web.console.lists import PAGE, chosen_of
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Choice, Option, region_options
from gateway.wording.languages import translated
from gateway.wording.terms import learned

REGION, MONTH = "region", "month"
_MONTHS = 24  # to choose from
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


def region_of(visit: Visit) -> Choice:
    """The filter by a region."""
    return chosen_of(visit, REGION, translated("Region"), region_options())


def any_region_of(visit: Visit) -> Choice:
    """The filter by a region, also by one that has left: others have records with it."""
    left = (Option(each, translated("{region}, which has left", region=each)) for each in learned().former_regions)
    return chosen_of(visit, REGION, translated("Region"), [*region_options(), *left])


def chosen_month(visit: Visit, ago: int = 0) -> str:
    """The month in the address, else the one so many months `ago`. Raises Refused for a text that is no month."""
    return month_in(visit, MONTH, month_before(present_month(visit), ago))


def month_in(visit: Visit, name: str, otherwise: str) -> str:
    """The month in a field of the address, else another one. Raises Refused for a text that is no month."""
    month = visit.query.text(name) or otherwise
    require_month(name, month)
    return month


def month_of(visit: Visit, month: str) -> Choice:
    """The month of a page, of the last two years."""
    return month_choice(visit, MONTH, translated("Month"), month)


def month_choice(visit: Visit, name: str, label: str, month: str) -> Choice:
    """A field with the months of the last two years, of which one is chosen."""
    present = present_month(visit)
    months = sorted({*months_between(month_before(present, _MONTHS - 1), present), month}, reverse=True)
    return Choice(name, label, [Option(each, each) for each in months], month)


def present_month(visit: Visit) -> str:
    """The month that it is now."""
    return f"{visit.now:%Y-%m}"


def rows_before(visit: Visit) -> int:
    """The number of rows on the pages before. Raises Refused for what is no such number."""
    said = visit.query.text(PAGE)
    if said and not _NUMBER.fullmatch(said):
        raise invalid(PAGE, "is no page of this list", "不是本列表的页码")
    return int(said or 0)
