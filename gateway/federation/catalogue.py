"""A revision of the federation configuration, ready for look-ups."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import datetime
from functools import cached_property
from typing import Final

from gateway.api.federation.v1.agreement_pb2 import AgreementTemplate
from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    ComplaintCategory,
    ComplaintSeverity,
    Configuration,
    DataClass,
    Department,
    Material,
    Offering,
    Plan,
    Policy,
    ProofWay,
    Purpose,
    Region,
    RetentionRule,
    ServicePoint,
    TimeLimit,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, unknown
from gateway.federation.agreements import agreement_holds
from gateway.federation.assignments import NO_ASSIGNMENTS, AssignmentBook
from gateway.federation.body import Body
from gateway.federation.complaint_classifier import Classifier, Proposal
from gateway.federation.complaint_rules import CONFIDENCE, LEAD
from gateway.federation.former_regions import require_former
from gateway.federation.network import NetworkRegistry
from gateway.federation.numberplan import NumberPlan
from gateway.federation.policies import Due, Promise, promises, proof_ways, strictest_figure
from gateway.federation.prepared import PreparedBusiness
from gateway.time.calendars import WorkingDays, years_without_calendar
from gateway.time.working_time import WorkingHours, deadline

FAULT_REPAIR_URBAN, FAULT_REPAIR_RURAL = "fault-repair-urban", "fault-repair-rural"
"""The policies of how long the repair of a fault may take (Telecommunications Regulations, art. 32)."""


class Federation:
    """An immutable view of a valid configuration, built once per revision, and of the assignments of numbers.

    Returned messages are shared and must not be changed. `note_year` is called with each year without a calendar that a
    promise in working days covers, each time.
    """

    def __init__(
        self,
        revision: int,
        configuration: Configuration,
        note_year: Callable[[int], None] = lambda year: None,
        book: AssignmentBook = NO_ASSIGNMENTS,
    ) -> None:
        own = Configuration()
        own.CopyFrom(configuration)
        self.revision: Final = revision
        self.configuration: Final = own
        self.number_plan = NumberPlan(own.number_plan, book)
        self.working_days: Final = WorkingDays(own.calendars)
        self.network: Final = NetworkRegistry(own.network)
        self.businesses: Final = tuple(sorted(own.businesses, key=lambda each: each.code))
        self.material_codes: Final = frozenset(material.code for material in own.materials)
        self.complaint_categories: Final = tuple(sorted(own.complaint_categories, key=lambda each: each.code))
        self.resolution_causes: Final = tuple(sorted(own.resolution_causes, key=lambda each: each.code))
        self._complaint_categories = {category.code: category for category in own.complaint_categories}
        s1 = ComplaintSeverity.COMPLAINT_SEVERITY_S1
        self._critical_categories = frozenset(each.code for each in own.complaint_categories if each.severity == s1)
        self._regions = {region.id: region for region in own.regions}
        self._hours: dict[str, WorkingHours] = {}
        self._prepared: dict[str, PreparedBusiness] = {}
        self._businesses = {business.code: business for business in own.businesses}
        self._materials = {material.code: material for material in own.materials}
        self._offerings = {offering.id: offering for offering in sorted(own.offerings, key=lambda each: each.id)}
        self._note_year = note_year
        self._service_points = sorted(own.service_points, key=lambda each: each.id)
        self._policies = {policy.name: policy for policy in own.policies}
        self._agreement_templates = {each.id: each for each in own.agreement_templates}
        self._purposes = {purpose.name: purpose for purpose in own.purposes}
        self._retention = {rule.data_class: rule for rule in own.retention_rules}
        self._plans = {plan.id: plan for plan in sorted(own.plans, key=lambda each: each.id)}

    def with_book(self, book: AssignmentBook, numbers: Iterable[str]) -> "Federation":
        """This revision with another book of assignments, which differs in those of these numbers."""
        changed = copy(self)
        changed.number_plan = self.number_plan.with_book(book, numbers)
        return changed

    def region(self, region: str) -> Region:
        """The region with this id. Raises `Refused` with REGION_UNKNOWN."""
        found = self._regions.get(region)
        if found is None:
            raise unknown(Reason.REASON_REGION_UNKNOWN, self._regions, region=region)
        return found

    def require_former(self, field: str, regions: Sequence[str], own: str) -> None:
        """Raises Refused as `require_former`, for the region `own` and for those of this revision."""
        require_former(field, regions, {own, *self._regions})

    def working_hours(self, region: str) -> WorkingHours:
        """When a region's departments work. Raises `Refused` with REGION_UNKNOWN."""
        hours = self._hours.get(region)
        if hours is None:
            found = self.region(region)
            hours = self._hours[region] = WorkingHours(found.working_hours, found.time_zone, self.working_days)
        return hours

    def business(self, code: str) -> Business:
        """The business with this code. Raises `Refused` with BUSINESS_UNKNOWN."""
        found = self._businesses.get(code)
        if found is None:
            raise unknown(Reason.REASON_BUSINESS_UNKNOWN, self._businesses, business=code)
        return found

    def prepared(self, code: str) -> PreparedBusiness:
        """The business with this code as checks look it up. Raises as `business`."""
        prepared = self._prepared.get(code)
        if prepared is None:
            prepared = self._prepared[code] = PreparedBusiness(self.business(code))
        return prepared

    def rule_of(self, code: str) -> str:
        """The business whose rule a business follows: usually itself, also after its removal from the catalogue."""
        found = self._businesses.get(code)
        return code if found is None else found.rule or code

    def plan(self, plan: str) -> Plan:
        """The tariff plan with this id, of any region. Raises `Refused` with PLAN_UNKNOWN."""
        found = self._plans.get(plan)
        if found is None:
            raise unknown(Reason.REASON_PLAN_UNKNOWN, self._plans, plan=plan)
        return found

    def plans_of(self, region: str) -> tuple[Plan, ...]:
        """The tariff plans that a region offers, by id."""
        return tuple(plan for plan in self._plans.values() if plan.region == region)

    def materials_of(self, business: Business) -> tuple[Material, ...]:
        """The materials that a business names for any applicant, each once, in the order of the names."""
        codes = (
            code
            for lines in self.prepared(business.code).documents.values()
            for line in lines
            for alternative in line.alternatives
            for code in alternative
        )
        return tuple(self._materials[code] for code in dict.fromkeys(codes))

    def material(self, code: str) -> Material | None:
        """The material with this code, if there is one."""
        return self._materials.get(code)

    def is_reusable(self, code: str) -> bool:
        """Whether a document on file counts again."""
        return code in self._materials and self._materials[code].reusable

    def offering(self, offering: str) -> Offering:
        """The offering with this id, of any region. Raises `Refused` with OFFERING_UNKNOWN."""
        found = self._offerings.get(offering)
        if found is None:
            raise unknown(Reason.REASON_OFFERING_UNKNOWN, self._offerings, offering=offering)
        return found

    def offerings_of(self, region: str) -> tuple[Offering, ...]:
        """The offerings of a region besides plans, by id."""
        return tuple(offering for offering in self._offerings.values() if offering.region == region)

    def service_points_of(self, region: str) -> tuple[ServicePoint, ...]:
        """The service points of a region, by id."""
        return tuple(point for point in self._service_points if point.region == region)

    def policy(self, name: str) -> Policy:
        """The policy with this name.

        Raises `Refused` with CONFIGURATION_INVALID, since rules name required policies.
        """
        found = self._policies.get(name)
        if found is None:
            raise Refused(Reason.REASON_CONFIGURATION_INVALID, problem=f"policies[{name}]: is missing")
        return found

    def has_policy(self, name: str) -> bool:
        """Whether there is a policy with this name; one that is newer than the configuration is missing."""
        return name in self._policies

    def proof_ways(self, policies: Iterable[str]) -> frozenset[ProofWay.ValueType]:
        """The ways of proof of a matter that another region attests, by the names of its policies."""
        return proof_ways(self._policies[name] for name in policies if name in self._policies)

    def agreement_template(self, template: str) -> AgreementTemplate:
        """The terms with this id. Raises `Refused` with AGREEMENT_TEMPLATE_UNKNOWN."""
        found = self._agreement_templates.get(template)
        if found is None:
            raise unknown(Reason.REASON_AGREEMENT_TEMPLATE_UNKNOWN, self._agreement_templates, template=template)
        return found

    def purpose(self, name: str) -> Purpose:
        """The purpose with this name. Raises `Refused` with PURPOSE_UNKNOWN."""
        found = self._purposes.get(name)
        if found is None:
            raise unknown(Reason.REASON_PURPOSE_UNKNOWN, self._purposes, purpose=name)
        return found

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The purposes of sharing, in the order of the files."""
        return tuple(self._purposes.values())

    def shares_records(self, region: str, now: datetime) -> bool:
        """Whether a region's data agreement is in force; False for an unknown region."""
        found = self._regions.get(region)
        return found is not None and agreement_holds(found, now)

    def without_agreement(self, regions: Sequence[str], now: datetime) -> str:
        """The first of some regions that has no data agreement in force; empty where all have."""
        return next((each for each in regions if not self.shares_records(each, now)), "")

    def figure(self, name: str, regions: Sequence[str]) -> int:
        """The value of a numeric policy: the strictest of the national value and those of the regions.

        Raises `Refused` with CONFIGURATION_INVALID.
        """
        return strictest_figure(self.policy(name), regions).value

    def retention_rule(self, data_class: DataClass.ValueType) -> RetentionRule | None:
        """The retention rule of a class; None where its records are kept forever."""
        return self._retention.get(data_class)

    def policy_due(self, name: str, start: datetime, regions: Sequence[str]) -> datetime:
        """The end of a time policy, in UTC: the strictest of the national policy and those of the regions.

        `regions` are the origin and the home region. Raises `Refused` with CONFIGURATION_INVALID or REGION_UNKNOWN.
        """
        policy = self.policy(name)
        return promises(policy.limit, policy.regional, regions, self._due_from(start))[0].due_time

    def note_years(self, limit: TimeLimit, start: datetime, due: datetime, region: str) -> None:
        """Notes each year without a calendar that a limit covers. Raises `Refused` with REGION_UNKNOWN."""
        for year in years_without_calendar(limit, start, due, self.region(region).time_zone, self.working_days):
            self._note_year(year)

    def complaint_category(self, code: str) -> ComplaintCategory:
        """The category of complaints with this code. Raises `Refused` with COMPLAINT_CATEGORY_UNKNOWN."""
        found = self._complaint_categories.get(code)
        if found is None:
            raise unknown(Reason.REASON_COMPLAINT_CATEGORY_UNKNOWN, self._complaint_categories, category=code)
        return found

    def require_resolution_cause(self, code: str) -> None:
        """Raises `Refused` with RESOLUTION_CAUSE_UNKNOWN for a code that the federation does not have.

        A federation without causes accepts any code.
        """
        known = [each.code for each in self.resolution_causes]
        if known and code not in known:
            raise unknown(Reason.REASON_RESOLUTION_CAUSE_UNKNOWN, known, cause=code)

    def complaint_department(self, code: str) -> Department:
        """The department with this code, which some category of complaints names. Raises `Refused` with
        DEPARTMENT_UNKNOWN."""
        categories = reversed(self._complaint_categories.values())  # the first category that names it counts
        named = {each.code: each for category in categories for each in category.departments}
        if code not in named:
            raise unknown(Reason.REASON_DEPARTMENT_UNKNOWN, named, department=code)
        return named[code]

    def propose_complaint_category(self, text: str, regions: Sequence[str]) -> Proposal:
        """Proposes a complaint category from the text. The required confidence is a policy, the strictest of the
        regions.

        The text is personal data. Raises `Refused` with CONFIGURATION_INVALID where the federation has no categories.
        """
        confidence, lead = (self.figure(name, regions) / 100 for name in (CONFIDENCE, LEAD))
        return self._classifier.propose(text, confidence=confidence, lead=lead, critical=self._critical_categories)

    @cached_property
    def body(self) -> Body:
        """The coordination body, built at its first use."""
        return Body(self.configuration)

    @cached_property
    def _classifier(self) -> Classifier:
        """The classifier, built at its first use: most processes classify nothing."""
        return Classifier(self.configuration.complaint_words)

    def fault_repair(self, start: datetime, regions: Sequence[str], *, rural: bool) -> list[Promise]:
        """The repair times of a fault of `start`, in UTC, strictest first.

        `regions` are the regions concerned; the last one has the fault. Raises `Refused` with CONFIGURATION_INVALID or
        REGION_UNKNOWN.
        """
        policy = self.policy(FAULT_REPAIR_RURAL if rural else FAULT_REPAIR_URBAN)
        return promises(policy.limit, policy.regional, regions, self._due_from(start))

    def promises(self, business: Business, start: datetime, regions: Sequence[str]) -> list[Promise]:
        """The limits of a business accepted at `start`, strictest first, in UTC.

        `regions` are the origin and the home region. Raises `Refused` with REGION_UNKNOWN.
        """
        return promises(business.limit, business.regional_limits, regions, self._due_from(start))

    def promised(self, business: Business, start: datetime, regions: Sequence[str]) -> datetime:
        """When the business is to be done by: the strictest of `promises`."""
        return self.promises(business, start, regions)[0].due_time

    def years_without_calendar(self, promise: Promise, start: datetime, home: str) -> list[int]:
        """The years of a promise, since `start`, in which weekends alone counted as days off.

        `home` is the region whose calendar counts for the national limit.
        """
        zone = self.region(promise.region or home).time_zone
        return years_without_calendar(promise.limit, start, promise.due_time, zone, self.working_days)

    def _due_from(self, start: datetime) -> Due:
        def due(limit: TimeLimit, region: str) -> datetime:
            ends = deadline(limit, start, self.working_hours(region))
            self.note_years(limit, start, ends, region)
            return ends

        return due
