"""Lists of a node to their last page, as bytes."""

from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from tests.federation.counter import REQUESTER
from tests.federation.running import CALL_SECONDS


async def all_customers(stub: CustomerServiceStub) -> bytes:
    """All pages of the list."""
    found, token = b"", ""
    while True:
        request = customer_api.ListCustomersRequest(page_size=500, page_token=token, requester=REQUESTER)
        page = await stub.ListCustomers(request, timeout=CALL_SECONDS)
        found, token = found + page.SerializeToString(), page.next_page_token
        if not token:
            return found


async def all_orders(stub: OrderServiceStub) -> bytes:
    """All pages of the list."""
    found, token = b"", ""
    while True:
        request = order_api.ListOrdersRequest(page_size=500, page_token=token, requester=REQUESTER)
        page = await stub.ListOrders(request, timeout=CALL_SECONDS)
        found, token = found + page.SerializeToString(), page.next_page_token
        if not token:
            return found
