"""SupportResourceService: gRPC for the experts and spares of all regions."""

import asyncio
from collections.abc import Mapping

import grpc

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1 import support_resource_service_pb2 as api
from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.support import registry
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.questions import Questions

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
        calling = audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> list[api.Expert]:
            found = registry.find_experts(tx, self._context, request.search)
            calling.record(tx, "ListExperts", "-", f"{len(found)} read")
            return list(found)

        response = api.ListExpertsResponse(experts=await self._store.write(read))
        if request.everywhere:
            answers, unanswered = await self._ask(SupportSearch(experts=request.search))
            for region, answer in answers.items():
                told = api.ListExpertsResponse.FromString(answer).experts
                response.experts.extend(each for each in told if each.region == region)
            response.unanswered.extend(unanswered)
        response.experts.sort(key=lambda each: (each.region, each.staff_id))
        return response

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
        calling = audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> list[api.Spare]:
            found = registry.find_spares(tx, self._context, request.search)
            calling.record(tx, "ListSpares", "-", f"{len(found)} read")
            return list(found)

        response = api.ListSparesResponse(spares=await self._store.write(read))
        if request.everywhere:
            answers, unanswered = await self._ask(SupportSearch(spares=request.search))
            for region, answer in answers.items():
                told = api.ListSparesResponse.FromString(answer).spares
                response.spares.extend(each for each in told if each.region == region)
            response.unanswered.extend(unanswered)
        response.spares.sort(key=lambda each: (each.region, each.part_number, each.site))
        return response

    async def _ask(self, question: SupportSearch) -> tuple[Mapping[str, bytes], list[SupportUnanswered]]:
        """The answers of all other regions that ever joined, and the regions without one, each by region."""
        state, own = self._context.border.current.state(), self._context.region
        regions = sorted(
            each.id
            for each in state.federation.configuration.regions
            if each.id != own and state.member_state(each.id) != MemberState.MEMBER_STATE_ABSENT
        )
        found = await asyncio.gather(*(self._ask_one(region, question) for region in regions))
        answers = {region: each for region, each in zip(regions, found, strict=True) if not isinstance(each, Refused)}
        unanswered = [
            SupportUnanswered(region=region, reason=each.reason)
            for region, each in zip(regions, found, strict=True)
            if isinstance(each, Refused)
        ]
        return answers, unanswered

    async def _ask_one(self, region: str, question: SupportSearch) -> bytes | Refused:
        try:
            return await self._questions.ask(region, _KIND, "SupportSearch", question)
        except Refused as refused:
            return refused
