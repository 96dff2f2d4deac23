"""The filters that several lists have."""

from gateway.web.console.lists import chosen_of
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Choice, Option
from gateway.wording.languages import translated
from gateway.wording.terms import learned, region_name

REGION = "region"


def region_of(visit: Visit) -> Choice:
    """The filter by a region."""
    regions = [Option(each.region, region_name(each.region)) for each in learned().regions]
    return chosen_of(visit, REGION, translated("Region"), regions)
