"""Importing a file of customers into a node."""

from collections.abc import AsyncIterator, Iterator, Sequence

import grpc

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.region.v1.catalogue_service_pb2 import ListPlansRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.customer_service_pb2 import (
    Customer,
    ImportCustomersRequest,
    ImportCustomersResponse,
    ImportFile,
    ImportLine,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from region_node.cli.customers.customer_file import CustomerFile
from region_node.cli.imports.import_stream import LinesToImport
from region_node.cli.imports.line_file import Line

_CALL_SECONDS = 10.0
_PLANS = 500  # in a page


class CustomersToImport(LinesToImport[Customer, ImportCustomersRequest, ImportCustomersResponse]):
    """The customers of one file, for one node; `validate_only` changes nothing there."""

    def __init__(
        self, channel: grpc.aio.Channel, file: CustomerFile, requester: Requester | None, *, validate_only: bool
    ) -> None:
        self._customers = CustomerServiceStub(channel)
        self._catalogue = CatalogueServiceStub(channel)
        self._file = file
        self._first = ImportCustomersRequest(
            file=ImportFile(sha256=file.sha256, lines=file.count, requester=requester, validate_only=validate_only)
        )

    @property
    def first(self) -> ImportCustomersRequest:
        """See LinesToImport."""
        return self._first

    async def lines(self) -> Iterator[Line[Customer]]:
        """See LinesToImport."""
        return self._file.lines(await self._plans())

    def request(self, lines: Sequence[Line[Customer]]) -> ImportCustomersRequest:
        """See LinesToImport."""
        return ImportCustomersRequest(lines=[ImportLine(number=each.number, customer=each.content) for each in lines])

    def call(self, requests: AsyncIterator[ImportCustomersRequest]) -> AsyncIterator[ImportCustomersResponse]:
        """See LinesToImport."""
        return aiter(self._customers.ImportCustomers(requests))

    async def _plans(self) -> Sequence[Plan]:
        plans: list[Plan] = []
        request = ListPlansRequest(page_size=_PLANS)
        while True:
            page = await self._catalogue.ListPlans(request, timeout=_CALL_SECONDS)
            plans += page.plans
            if not page.next_page_token:
                return plans
            request.page_token = page.next_page_token
