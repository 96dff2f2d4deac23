"""Importing a file of customers into a node."""

from collections.abc import Iterator, Sequence

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


def customers_to_import(
    channel: grpc.aio.Channel, file: CustomerFile, requester: Requester | None, *, validate_only: bool
) -> LinesToImport[Customer, ImportCustomersRequest, ImportCustomersResponse]:
    """The customers of one file, for one node; `validate_only` changes nothing there."""
    named = ImportFile(sha256=file.sha256, lines=file.count, requester=requester, validate_only=validate_only)

    async def lines() -> Iterator[Line[Customer]]:
        return file.lines(await _plans(CatalogueServiceStub(channel)))

    return LinesToImport(
        ImportCustomersRequest(file=named),
        lines,
        _request,
        lambda requests: aiter(CustomerServiceStub(channel).ImportCustomers(requests)),
    )


def _request(lines: Sequence[Line[Customer]]) -> ImportCustomersRequest:
    return ImportCustomersRequest(lines=[ImportLine(number=each.number, customer=each.content) for each in lines])


async def _plans(catalogue: CatalogueServiceStub) -> Sequence[Plan]:
    plans: list[Plan] = []
    request = ListPlansRequest(page_size=_PLANS)
    while True:
        page = await catalogue.ListPlans(request, timeout=_CALL_SECONDS)
        plans += page.plans
        if not page.next_page_token:
            return plans
        request.page_token = page.next_page_token
