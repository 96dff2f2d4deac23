"""One revision of the federation configuration, ready for look-ups."""

from datetime import datetime
from typing import Final

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, Material, Plan, Region
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.calendars import WorkingDays, due_time
from gateway.errors import Refused
from gateway.federation.rules import parse_alternatives
from gateway.numberplan import NumberPlan


class Federation:
    """An immutable view of a valid configuration, built once per revision.

    The messages that it gives out are shared; nobody may change them.
    """

    def __init__(self, revision: int, configuration: Configuration) -> None:
        own = Configuration()
        own.CopyFrom(configuration)
        self.revision: Final = revision
        self.configuration: Final = own
        self.number_plan: Final = NumberPlan(own.number_plan)
        self.working_days: Final = WorkingDays(own.calendars)
        self.businesses: Final = tuple(sorted(own.businesses, key=lambda each: each.code))
        self.material_codes: Final = frozenset(material.code for material in own.materials)
        self._regions = {region.id: region for region in own.regions}
        self._businesses = {business.code: business for business in own.businesses}
        self._materials = {material.code: material for material in own.materials}
        self._plans = {plan.id: plan for plan in sorted(own.plans, key=lambda each: each.id)}

    def region(self, region: str) -> Region:
        """The region with this id. Raises `Refused` with REGION_UNKNOWN."""
        found = self._regions.get(region)
        if found is None:
            raise Refused(Reason.REASON_REGION_UNKNOWN, region=region)
        return found

    def business(self, code: str) -> Business:
        """The business with this code. Raises `Refused` with BUSINESS_UNKNOWN."""
        found = self._businesses.get(code)
        if found is None:
            raise Refused(Reason.REASON_BUSINESS_UNKNOWN, business=code)
        return found

    def plan(self, plan: str) -> Plan:
        """The tariff plan with this id, of whatever region. Raises `Refused` with PLAN_UNKNOWN."""
        found = self._plans.get(plan)
        if found is None:
            raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=plan)
        return found

    def plans_of(self, region: str) -> tuple[Plan, ...]:
        """The tariff plans that a region offers, by id."""
        return tuple(plan for plan in self._plans.values() if plan.region == region)

    def materials_of(self, business: Business) -> tuple[Material, ...]:
        """The materials that a business names for any applicant, each once, in the order of the names."""
        codes = (
            code
            for requirement in business.documents
            for line in requirement.all_of
            for alternative in parse_alternatives(line)
            for code in alternative
        )
        return tuple(self._materials[code] for code in dict.fromkeys(codes))

    def promised(self, business: Business, start: datetime, region: str) -> datetime:
        """When the business is to be done by if it was taken in at `start`, in UTC.

        Working days are those of the home region's time zone. Raises `Refused` with REGION_UNKNOWN.
        """
        return due_time(business.limit, start, self.region(region).time_zone, self.working_days)
