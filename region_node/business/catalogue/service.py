"""CatalogueService: answers from the federation configuration in force."""

import asyncio

import grpc

from gateway.api.federation.v1.configuration_pb2 import Allowance, Business, Reach
from gateway.api.region.v1.catalogue_service_pb2 import (
    ComparePlansRequest,
    ComparePlansResponse,
    GetBodyRequest,
    GetBodyResponse,
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    GetTermsRequest,
    GetTermsResponse,
    ListBusinessesRequest,
    ListBusinessesResponse,
    ListComplaintCategoriesRequest,
    ListComplaintCategoriesResponse,
    ListOfferingsRequest,
    ListOfferingsResponse,
    ListPlansRequest,
    ListPlansResponse,
    ListResolutionCausesRequest,
    ListResolutionCausesResponse,
    ListServicePointsRequest,
    ListServicePointsResponse,
    PlanCost,
    ProposeComplaintCategoryRequest,
    ProposeComplaintCategoryResponse,
    SearchBusinessesRequest,
    SearchBusinessesResponse,
)
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceServicer
from gateway.api.region.v1.complaint_pb2 import ComplaintCandidate
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, invalid
from gateway.federation.body import asked_instant
from gateway.federation.documents import is_ordered_by_nodes
from gateway.federation.numberplan import normalize
from gateway.federation.terms import terms_of
from gateway.relay.border import Moved
from gateway.rpc.pages import page_after, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_timestamp
from region_node.business.catalogue.comparing import cheapest_first
from region_node.business.catalogue.guide import fill_promises
from region_node.business.catalogue.rules import opening, require_usage, time_taken
from region_node.business.catalogue.search import Search
from region_node.business.catalogue.usage import mean_usage
from region_node.business.orders.completed import times_taken
from region_node.customers.operations import readable_line
from region_node.customers.own_readings import OwnReadings
from region_node.customers.rows import Line
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.records.listing import Position
from region_node.requests.auditing import audited_call
from region_node.requests.checks import require_length

_QUERY_LENGTH = 100  # characters
_COMPLAINT_LENGTH = 10_000  # characters


class CatalogueService(CatalogueServiceServicer):
    """The catalogue as a region's operator systems see it."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._region = context.region
        self._current = context.border.current
        self._readings = OwnReadings(context, store)
        self._store = store
        self._clock = clock
        self._words: tuple[int, Search] | None = None

    async def ListBusinesses(
        self,
        request: ListBusinessesRequest,
        context: grpc.aio.ServicerContext[ListBusinessesRequest, ListBusinessesResponse],
    ) -> ListBusinessesResponse:
        """See the contract."""
        businesses, position = self._current.federation.businesses, Position(request.skip)
        found, token = page_after(
            "businesses",
            businesses,
            lambda each: each.code,
            request.page_size,
            request.page_token,
            position.skip,
            in_reverse=request.in_reverse,
        )
        total = len(businesses) if request.show_total_size else None
        return ListBusinessesResponse(businesses=found, next_page_token=token, total_size=total)

    async def GetBusinessGuide(
        self,
        request: GetBusinessGuideRequest,
        context: grpc.aio.ServicerContext[GetBusinessGuideRequest, GetBusinessGuideResponse],
    ) -> GetBusinessGuideResponse:
        """See the contract."""
        federation, now = self._current.federation, self._clock.now()
        business = federation.business(request.business)
        home = federation.number_plan.home_of(normalize(request.number)) if request.number else None
        counts = await self._store.read(lambda tx: times_taken(tx, business.code, now))
        response = GetBusinessGuideResponse(
            business=business,
            materials=federation.materials_of(business),
            home_region=home or "",
            offered_here=self._is_offered_here(business, home, is_asked_for_number=bool(request.number)),
            time_taken=time_taken(counts),
        )
        fill_promises(response, federation, (self._region, home or self._region), now)
        return response

    async def SearchBusinesses(
        self,
        request: SearchBusinessesRequest,
        context: grpc.aio.ServicerContext[SearchBusinessesRequest, SearchBusinessesResponse],
    ) -> SearchBusinessesResponse:
        """See the contract."""
        query = request.query.strip()
        require_length("query", query, _QUERY_LENGTH, required=True)
        size = page_size(request.limit, "limit")
        return SearchBusinessesResponse(businesses=self._search().find(query, size))

    async def ComparePlans(
        self, request: ComparePlansRequest, context: grpc.aio.ServicerContext[ComparePlansRequest, ComparePlansResponse]
    ) -> ComparePlansResponse:
        """See the contract."""
        federation = self._current.federation
        region = federation.region(request.region or self._region)
        if request.number:
            line, usage = await self._usage_of(request)
            is_mobile, current = line.is_mobile, line.plan_id
        else:
            require_usage(request.usage)
            is_mobile, current, usage = True, "", request.usage
        plans = [
            PlanCost(plan=plan, cost=Money(minor_units=cost, currency=region.currency), current=plan.id == current)
            for plan, cost in cheapest_first(federation.plans_of(region.id), usage, mobile=is_mobile)
        ]
        return ComparePlansResponse(usage=usage, plans=plans)

    async def _usage_of(self, request: ComparePlansRequest) -> tuple[Line, Allowance]:
        asked, number = audited_call(request.requester, self._clock), normalize(request.number)
        federation = self._current.federation

        def read(tx: Transaction) -> tuple[Line, Allowance]:
            line = readable_line(tx, federation, self._region, number, asking=self._region)
            usage = mean_usage(tx, line)
            if usage is None:
                raise invalid(
                    "number",
                    "no month of it was billed yet: say the usage instead",
                    "该号码尚无已出账月份，请直接填写用量",
                )
            asked.record(tx, "ComparePlans", line.customer_id)
            return line, usage

        try:
            return await self._readings.write(asked.dealer, Shown("", number), asked.now, read)
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None

    async def ListServicePoints(
        self,
        request: ListServicePointsRequest,
        context: grpc.aio.ServicerContext[ListServicePointsRequest, ListServicePointsResponse],
    ) -> ListServicePointsResponse:
        """See the contract."""
        federation, now = self._current.federation, self._clock.now()
        region = federation.region(request.region or self._region)
        response = ListServicePointsResponse()
        for point in federation.service_points_of(region.id):
            found = opening(point, now, region.time_zone, federation.working_days)
            status = response.service_points.add(service_point=point, open=found.is_open)
            if found.next_change is not None:
                status.next_change_time.CopyFrom(to_timestamp(found.next_change))
        return response

    async def ListOfferings(
        self,
        request: ListOfferingsRequest,
        context: grpc.aio.ServicerContext[ListOfferingsRequest, ListOfferingsResponse],
    ) -> ListOfferingsResponse:
        """See the contract."""
        federation = self._current.federation
        region = federation.region(request.region or self._region).id
        offerings, kind = federation.offerings_of(region), f"offerings of {region}"
        found, token = page_after(kind, offerings, lambda each: each.id, request.page_size, request.page_token)
        return ListOfferingsResponse(offerings=found, next_page_token=token)

    async def ListComplaintCategories(
        self,
        request: ListComplaintCategoriesRequest,
        context: grpc.aio.ServicerContext[ListComplaintCategoriesRequest, ListComplaintCategoriesResponse],
    ) -> ListComplaintCategoriesResponse:
        """See the contract."""
        categories = self._current.federation.complaint_categories
        found, token = page_after(
            "complaint categories", categories, lambda each: each.code, request.page_size, request.page_token
        )
        return ListComplaintCategoriesResponse(categories=found, next_page_token=token)

    async def ListResolutionCauses(
        self,
        request: ListResolutionCausesRequest,
        context: grpc.aio.ServicerContext[ListResolutionCausesRequest, ListResolutionCausesResponse],
    ) -> ListResolutionCausesResponse:
        """See the contract."""
        causes = self._current.federation.resolution_causes
        found, token = page_after(
            "resolution causes", causes, lambda each: each.code, request.page_size, request.page_token
        )
        return ListResolutionCausesResponse(causes=found, next_page_token=token)

    async def ProposeComplaintCategory(
        self,
        request: ProposeComplaintCategoryRequest,
        context: grpc.aio.ServicerContext[ProposeComplaintCategoryRequest, ProposeComplaintCategoryResponse],
    ) -> ProposeComplaintCategoryResponse:
        """See the contract."""
        text = request.text.strip()
        require_length("text", text, _COMPLAINT_LENGTH, required=True)
        propose = self._current.federation.propose_complaint_category
        found = await asyncio.to_thread(propose, text, [self._region])  # a long text takes a while
        return ProposeComplaintCategoryResponse(
            category=found.category,
            confidence=found.confidence,
            candidates=[
                ComplaintCandidate(category=each.category, confidence=each.confidence, words=each.words)
                for each in found.candidates
            ],
        )

    async def GetTerms(
        self, request: GetTermsRequest, context: grpc.aio.ServicerContext[GetTermsRequest, GetTermsResponse]
    ) -> GetTermsResponse:
        """See the contract."""
        return GetTermsResponse(terms=terms_of(self._current.federation.configuration))

    async def GetBody(
        self, request: GetBodyRequest, context: grpc.aio.ServicerContext[GetBodyRequest, GetBodyResponse]
    ) -> GetBodyResponse:
        """See the contract."""
        federation = self._current.federation
        if request.region:
            federation.region(request.region)
        at = asked_instant(request.duty_time if request.HasField("duty_time") else None, self._clock.now())
        return GetBodyResponse(body=federation.body.status(request.region, at, federation.revision))

    async def ListPlans(
        self, request: ListPlansRequest, context: grpc.aio.ServicerContext[ListPlansRequest, ListPlansResponse]
    ) -> ListPlansResponse:
        """See the contract."""
        federation = self._current.federation
        region = federation.region(request.region or self._region).id
        # Plans of one region only: a token of another region's list would skip some.
        plans, kind = federation.plans_of(region), f"plans of {region}"
        found, token = page_after(kind, plans, lambda each: each.id, request.page_size, request.page_token)
        return ListPlansResponse(plans=found, next_page_token=token)

    def _search(self) -> Search:
        """The words of the catalogue in force, read once per revision."""
        federation = self._current.federation
        if self._words is None or self._words[0] != federation.revision:
            self._words = (federation.revision, Search(federation.businesses))
        return self._words[1]

    def _is_offered_here(self, business: Business, home: str | None, *, is_asked_for_number: bool) -> bool:
        """Whether a business is offered for a number with the home region `home`.

        A business kept at home is offered for the region's own numbers, others for any number with a home. Businesses
        that only nodes order are never offered.
        """
        if is_ordered_by_nodes(business):
            return False
        if business.reach == Reach.REACH_HOME:
            return home == self._region
        return home is not None or not is_asked_for_number
