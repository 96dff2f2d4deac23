"""SharingService: records of own and of foreign customers, by the same calls."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceServicer
from gateway.errors import Refused
from region_node.customers.sharing.application import SharingApplication
from region_node.node.answering import answer_each, at_most
from region_node.requests.calling import calling
from region_node.requests.checks import error_of

AT_ONCE = 16  # readings of one stream under way: each may be a call to another region, which others ask as well


class SharingService(SharingServiceServicer):
    """See the contract."""

    def __init__(self, application: SharingApplication) -> None:
        self._application = application

    async def ListPurposes(
        self,
        request: api.ListPurposesRequest,
        context: grpc.aio.ServicerContext[api.ListPurposesRequest, api.ListPurposesResponse],
    ) -> api.ListPurposesResponse:
        """See the contract."""
        return api.ListPurposesResponse(purposes=self._application.purposes)

    async def ReadSharedCustomer(
        self,
        request: api.ReadSharedCustomerRequest,
        context: grpc.aio.ServicerContext[api.ReadSharedCustomerRequest, api.ReadSharedCustomerResponse],
    ) -> api.ReadSharedCustomerResponse:
        """See the contract."""
        return await self._application.read(request)

    async def ReadSharedCustomers(
        self,
        request_iterator: AsyncIterator[api.ReadSharedCustomersRequest],
        context: grpc.aio.ServicerContext[api.ReadSharedCustomersRequest, api.ReadSharedCustomersResponse],
    ) -> AsyncIterator[api.ReadSharedCustomersResponse]:
        """See the contract."""
        async with aclosing(answer_each(request_iterator, self._read_one, at_most(AT_ONCE))) as responses:
            async for response in responses:
                yield response

    async def _read_one(self, request: api.ReadSharedCustomersRequest) -> api.ReadSharedCustomersResponse:
        response = api.ReadSharedCustomersResponse(query_id=request.query_id)
        try:
            answer = await self._application.read(request.read)
        except Refused as refused:
            response.error.CopyFrom(error_of(refused))
            return response
        if answer.HasField("record"):
            response.record.CopyFrom(answer.record)
        else:
            response.refusal.CopyFrom(answer.refusal)
        return response

    async def GiveConsent(
        self,
        request: api.GiveConsentRequest,
        context: grpc.aio.ServicerContext[api.GiveConsentRequest, api.GiveConsentResponse],
    ) -> api.GiveConsentResponse:
        """See the contract."""
        return await self._application.ask("GiveConsent", request, api.GiveConsentResponse)

    async def WithdrawConsent(
        self,
        request: api.WithdrawConsentRequest,
        context: grpc.aio.ServicerContext[api.WithdrawConsentRequest, api.WithdrawConsentResponse],
    ) -> api.WithdrawConsentResponse:
        """See the contract."""
        return await self._application.ask("WithdrawConsent", request, api.WithdrawConsentResponse)

    async def ConfirmConsent(
        self,
        request: api.ConfirmConsentRequest,
        context: grpc.aio.ServicerContext[api.ConfirmConsentRequest, api.ConfirmConsentResponse],
    ) -> api.ConfirmConsentResponse:
        """See the contract."""
        return await self._application.confirm(calling(request.request_id), request)

    async def ListGrants(
        self,
        request: api.ListGrantsRequest,
        context: grpc.aio.ServicerContext[api.ListGrantsRequest, api.ListGrantsResponse],
    ) -> api.ListGrantsResponse:
        """See the contract."""
        return await self._application.ask("ListGrants", request, api.ListGrantsResponse)

    async def ListDisclosures(
        self,
        request: api.ListDisclosuresRequest,
        context: grpc.aio.ServicerContext[api.ListDisclosuresRequest, api.ListDisclosuresResponse],
    ) -> api.ListDisclosuresResponse:
        """See the contract."""
        return await self._application.ask("ListDisclosures", request, api.ListDisclosuresResponse)
