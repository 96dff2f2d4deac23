"""The filters that several lists have."""

from gateway.time.months import month_before, months_between, require_month
from gateway.web.console.lists import chosen_of
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Choice, Option
from gateway.wording.languages import translated
from gateway.wording.terms import learned, region_name

REGION, MONTH = "region", "month"
_MONTHS = 24  # to choose from


def region_of(visit: Visit) -> Choice:
    """The filter by a region."""
    regions = [Option(each.region, region_name(each.region)) for each in learned().regions]
    return chosen_of(visit, REGION, translated("Region"), regions)


def chosen_month(visit: Visit, ago: int = 0) -> str:
    """The month in the address, else the one so many months `ago`. Raises Refused for a text that is no month."""
    month = visit.query.text(MONTH) or month_before(_present(visit), ago)
    require_month(MONTH, month)
    return month


def month_of(visit: Visit, month: str) -> Choice:
    """The month of a page, of the last two years."""
    present = _present(visit)
    months = sorted({*months_between(month_before(present, _MONTHS - 1), present), month}, reverse=True)
    return Choice(MONTH, translated("Month"), [Option(each, each) for each in months], month)


def _present(visit: Visit) -> str:
    return f"{visit.now:%Y-%m}"
