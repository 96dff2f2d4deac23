"""SupportResourceService: gRPC for what all regions share: experts, spares, resources that are lent."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1 import support_resource_service_pb2 as api
from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.rpc.merged_pages import MergedList, Part, Place
from gateway.rpc.pages import page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.support import registry, resources
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.questions import Questions, is_large

Item = TypeVar("Item", api.Expert, api.Spare, api.SharedResource)
Response = TypeVar("Response", api.ListExpertsResponse, api.ListSparesResponse, api.ListResourcesResponse)
_Request = api.ListExpertsRequest | api.ListSparesRequest | api.ListResourcesRequest
_KIND = EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH


class SupportResourceService(SupportResourceServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._questions = questions
        self._clock = clock

    async def KeepExpert(  # noqa: N802 - named by the contract
        self,
        request: api.KeepExpertRequest,
        context: grpc.aio.ServicerContext[api.KeepExpertRequest, api.KeepExpertResponse],
    ) -> api.KeepExpertResponse:
        """See the contract."""
        calling, expert = audited_call(Requester(), self._clock), request.expert
        registry.require_expert(self._context, expert)

        def keep(tx: Transaction) -> None:
            registry.keep_expert(tx, expert, calling.now)
            calling.record(tx, "KeepExpert", expert.staff_id)

        await self._store.write(keep)
        expert.region = self._context.region
        return api.KeepExpertResponse(expert=expert)

    async def RemoveExpert(  # noqa: N802 - named by the contract
        self,
        request: api.RemoveExpertRequest,
        context: grpc.aio.ServicerContext[api.RemoveExpertRequest, api.RemoveExpertResponse],
    ) -> api.RemoveExpertResponse:
        """See the contract."""
        calling = audited_call(Requester(), self._clock)

        def remove(tx: Transaction) -> None:
            registry.remove_expert(tx, request.staff_id)
            calling.record(tx, "RemoveExpert", request.staff_id)

        await self._store.write(remove)
        return api.RemoveExpertResponse()

    async def ListExperts(  # noqa: N802 - named by the contract
        self,
        request: api.ListExpertsRequest,
        context: grpc.aio.ServicerContext[api.ListExpertsRequest, api.ListExpertsResponse],
    ) -> api.ListExpertsResponse:
        """See the contract. Responses of other regions are not stored."""
        search = SupportSearch(experts=request.search, page_size=request.page_size)
        found, unanswered, token = await self._listed(_EXPERTS, request, search)
        return api.ListExpertsResponse(experts=found, unanswered=unanswered, next_page_token=token)

    async def KeepSpare(  # noqa: N802 - named by the contract
        self,
        request: api.KeepSpareRequest,
        context: grpc.aio.ServicerContext[api.KeepSpareRequest, api.KeepSpareResponse],
    ) -> api.KeepSpareResponse:
        """See the contract."""
        calling, spare = audited_call(Requester(), self._clock), request.spare
        registry.require_spare(self._context, spare)

        def keep(tx: Transaction) -> None:
            registry.keep_spare(tx, spare)
            calling.record(tx, "KeepSpare", spare.part_number, f"{spare.count} at {spare.site}")

        await self._store.write(keep)
        spare.region = self._context.region
        return api.KeepSpareResponse(spare=spare)

    async def RemoveSpare(  # noqa: N802 - named by the contract
        self,
        request: api.RemoveSpareRequest,
        context: grpc.aio.ServicerContext[api.RemoveSpareRequest, api.RemoveSpareResponse],
    ) -> api.RemoveSpareResponse:
        """See the contract."""
        calling = audited_call(Requester(), self._clock)

        def remove(tx: Transaction) -> None:
            registry.remove_spare(tx, request.part_number, request.site)
            calling.record(tx, "RemoveSpare", request.part_number)

        await self._store.write(remove)
        return api.RemoveSpareResponse()

    async def ListSpares(  # noqa: N802 - named by the contract
        self,
        request: api.ListSparesRequest,
        context: grpc.aio.ServicerContext[api.ListSparesRequest, api.ListSparesResponse],
    ) -> api.ListSparesResponse:
        """See the contract. Responses of other regions are not stored."""
        search = SupportSearch(spares=request.search, page_size=request.page_size)
        found, unanswered, token = await self._listed(_SPARES, request, search)
        return api.ListSparesResponse(spares=found, unanswered=unanswered, next_page_token=token)

    async def KeepResource(  # noqa: N802 - named by the contract
        self,
        request: api.KeepResourceRequest,
        context: grpc.aio.ServicerContext[api.KeepResourceRequest, api.KeepResourceResponse],
    ) -> api.KeepResourceResponse:
        """See the contract."""
        calling, resource = audited_call(Requester(), self._clock), request.resource
        resources.require_resource(self._context, resource)

        def keep(tx: Transaction) -> None:
            resources.keep_resource(tx, resource, calling.now)
            calling.record(tx, "KeepResource", resource.id, f"{resource.quantity} at {resource.site}")

        await self._store.write(keep)
        resource.region = self._context.region
        return api.KeepResourceResponse(resource=resource)

    async def RemoveResource(  # noqa: N802 - named by the contract
        self,
        request: api.RemoveResourceRequest,
        context: grpc.aio.ServicerContext[api.RemoveResourceRequest, api.RemoveResourceResponse],
    ) -> api.RemoveResourceResponse:
        """See the contract."""
        calling = audited_call(Requester(), self._clock)

        def remove(tx: Transaction) -> None:
            resources.remove_resource(tx, request.resource_id, calling.now)
            calling.record(tx, "RemoveResource", request.resource_id)

        await self._store.write(remove)
        return api.RemoveResourceResponse()

    async def ListResources(  # noqa: N802 - named by the contract
        self,
        request: api.ListResourcesRequest,
        context: grpc.aio.ServicerContext[api.ListResourcesRequest, api.ListResourcesResponse],
    ) -> api.ListResourcesResponse:
        """See the contract. Responses of other regions are not stored."""
        search = SupportSearch(resources=request.search, page_size=request.page_size)
        found, unanswered, token = await self._listed(_RESOURCES, request, search)
        return api.ListResourcesResponse(resources=found, unanswered=unanswered, next_page_token=token)

    async def _listed(
        self, listing: "_Listing[Item, Response]", request: _Request, search: SupportSearch
    ) -> tuple[Sequence[Item], Sequence[SupportUnanswered], str]:
        """A page of the list of this region, or of all that ever joined; who did not answer; the token of the next.

        Raises Refused.
        """
        calling, own = audited_call(request.requester, self._clock), self._context.region
        size = page_size(request.page_size)
        places = listing.merged.places(request.page_token, self._regions() if request.everywhere else [own])
        questions = {region: _from(search, place) for region, place in places.items()}

        def read(tx: Transaction) -> Response | None:
            found = listing.page(tx, self._context, questions[own]) if own in questions else None
            calling.record(tx, listing.action, "-", f"{len(listing.items(found)) if found is not None else 0} read")
            return found

        here = await self._store.write(read)
        others = {region: question for region, question in questions.items() if region != own}
        answers = await asyncio.gather(*(self._ask_one(*each) for each in others.items()))
        pages, unanswered = {own: here} if here is not None else {}, []
        for region, answer in zip(others, answers, strict=True):
            if isinstance(answer, Refused):
                unanswered.append(SupportUnanswered(region=region, reason=answer.reason))
            else:
                pages[region] = listing.parsed(answer)
        parts = {region: listing.part(region, places[region], page) for region, page in pages.items()}
        found = listing.merged.page(places, parts, size)
        return found.items, unanswered, found.following

    def _regions(self) -> Sequence[str]:
        """The regions that ever joined, by id."""
        state = self._context.border.current.state()
        every = sorted(each.id for each in state.federation.configuration.regions)
        return [
            each
            for each in every
            if each == self._context.region or state.member_state(each) != MemberState.MEMBER_STATE_ABSENT
        ]

    async def _ask_one(self, region: str, question: SupportSearch) -> bytes | Refused:
        try:
            alone = is_large(question.page_size)
            return await self._questions.ask(region, _KIND, "SupportSearch", question, alone=alone)
        except Refused as refused:
            return refused


@dataclass(frozen=True)
class _Listing(Generic[Item, Response]):
    """One of the lists."""

    action: str
    merged: MergedList[Item]
    page: Callable[[Transaction, RegionContext, SupportSearch], Response]
    """Of this region."""
    parsed: Callable[[bytes], Response]
    """Of another one's answer."""
    items: Callable[[Response], Sequence[Item]]

    def part(self, region: str, place: Place, page: Response) -> Part[Item]:
        """What a region has told of its own, asked from a place on."""
        own = [each for each in self.items(page) if each.region == region]
        return Part[Item](following=place.token).more(own, page.next_page_token)


def _from(search: SupportSearch, place: Place) -> SupportSearch:
    asked = SupportSearch()
    asked.CopyFrom(search)
    asked.page_token = place.token
    return asked


def _all(told: Mapping[str, Sequence[Item]]) -> Iterable[Item]:
    return itertools.chain.from_iterable(told.values())


_EXPERTS = _Listing(
    "ListExperts",
    MergedList("experts", registry.expert_key, _all),
    registry.experts_page,
    api.ListExpertsResponse.FromString,
    lambda page: page.experts,
)
_SPARES = _Listing(
    "ListSpares",
    MergedList("spares", registry.spare_key, _all),
    registry.spares_page,
    api.ListSparesResponse.FromString,
    lambda page: page.spares,
)
_RESOURCES = _Listing(
    "ListResources",
    MergedList("resources", resources.resource_key, _all),
    resources.resources_page,
    api.ListResourcesResponse.FromString,
    lambda page: page.resources,
)
