"""CatalogueService: answers from the federation configuration in force."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc

from gateway import pages
from gateway.api.federation.v1.configuration_pb2 import Business, Reach
from gateway.api.region.v1.catalogue_service_pb2 import (
    ComparePlansRequest,
    ComparePlansResponse,
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    ListBusinessesRequest,
    ListBusinessesResponse,
    ListOfferingsRequest,
    ListOfferingsResponse,
    ListPlansRequest,
    ListPlansResponse,
    ListServicePointsRequest,
    ListServicePointsResponse,
    SearchBusinessesRequest,
    SearchBusinessesResponse,
)
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.numberplan import normalize

T = TypeVar("T")


class CatalogueService(CatalogueServiceServicer):
    """The catalogue as a region's operator systems see it."""

    def __init__(self, region: str, current: CurrentFederation) -> None:
        self._region = region
        self._current = current

    async def ListBusinesses(
        self,
        request: ListBusinessesRequest,
        context: grpc.aio.ServicerContext[ListBusinessesRequest, ListBusinessesResponse],
    ) -> ListBusinessesResponse:
        """See the contract."""
        size = pages.page_size(request.page_size)
        after = pages.decode_token("businesses", request.page_token)
        found, last = _page(self._current.federation.businesses, lambda each: each.code, after, size)
        return ListBusinessesResponse(businesses=found, next_page_token=pages.encode_token("businesses", last))

    async def GetBusinessGuide(
        self,
        request: GetBusinessGuideRequest,
        context: grpc.aio.ServicerContext[GetBusinessGuideRequest, GetBusinessGuideResponse],
    ) -> GetBusinessGuideResponse:
        """See the contract."""
        federation = self._current.federation
        business = federation.business(request.business)
        home = federation.number_plan.home_of(normalize(request.number)) if request.number else None
        return GetBusinessGuideResponse(
            business=business,
            materials=federation.materials_of(business),
            home_region=home or "",
            offered_here=self._is_offered_here(business, home, is_asked_for_number=bool(request.number)),
        )

    async def SearchBusinesses(
        self,
        request: SearchBusinessesRequest,
        context: grpc.aio.ServicerContext[SearchBusinessesRequest, SearchBusinessesResponse],
    ) -> SearchBusinessesResponse:
        """See the contract."""
        raise Refused(Reason.REASON_METHOD_UNKNOWN, method="SearchBusinesses")

    async def ComparePlans(
        self, request: ComparePlansRequest, context: grpc.aio.ServicerContext[ComparePlansRequest, ComparePlansResponse]
    ) -> ComparePlansResponse:
        """See the contract."""
        raise Refused(Reason.REASON_METHOD_UNKNOWN, method="ComparePlans")

    async def ListServicePoints(
        self,
        request: ListServicePointsRequest,
        context: grpc.aio.ServicerContext[ListServicePointsRequest, ListServicePointsResponse],
    ) -> ListServicePointsResponse:
        """See the contract."""
        raise Refused(Reason.REASON_METHOD_UNKNOWN, method="ListServicePoints")

    async def ListOfferings(
        self,
        request: ListOfferingsRequest,
        context: grpc.aio.ServicerContext[ListOfferingsRequest, ListOfferingsResponse],
    ) -> ListOfferingsResponse:
        """See the contract."""
        raise Refused(Reason.REASON_METHOD_UNKNOWN, method="ListOfferings")

    async def ListPlans(
        self, request: ListPlansRequest, context: grpc.aio.ServicerContext[ListPlansRequest, ListPlansResponse]
    ) -> ListPlansResponse:
        """See the contract."""
        size = pages.page_size(request.page_size)
        federation = self._current.federation
        region = federation.region(request.region or self._region).id
        # Plans of one region only: a token of another region's list would skip some.
        kind = f"plans of {region}"
        after = pages.decode_token(kind, request.page_token)
        found, last = _page(federation.plans_of(region), lambda each: each.id, after, size)
        return ListPlansResponse(plans=found, next_page_token=pages.encode_token(kind, last))

    def _is_offered_here(self, business: Business, home: str | None, *, is_asked_for_number: bool) -> bool:
        """A business kept at home is offered for the region's own numbers; the rest for any number with a home."""
        if business.reach == Reach.REACH_HOME:
            return home == self._region
        return home is not None or not is_asked_for_number


def _page(items: Sequence[T], key: Callable[[T], str], after: str, size: int) -> tuple[Sequence[T], str]:
    """The items after the key `after`, of a list in the order of its keys, and the last key if more follow."""
    rest = [item for item in items if key(item) > after]
    found = rest[:size]
    return found, key(found[-1]) if len(rest) > size else ""
