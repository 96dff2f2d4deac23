"""CustomerService: the region's own customers."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import grpc

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.clock import Clock, from_timestamp
from gateway.errors import Refused
from gateway.numberplan import normalize
from gateway.pages import decode_token, encode_token, page_size
from gateway.store.port import Store
from region_node.auditing import audited_call
from region_node.context import RegionContext
from region_node.customers import operations
from region_node.customers.messages import product_message
from region_node.customers.operations import NewCustomer
from region_node.customers.profiles_asked import ProfileDesk
from region_node.customers.rows import CustomerRow, Line
from region_node.requests import require_length

_PAGE = "customers"
_BATCH_LIMIT = 500
_NAME_LIMIT = 100
_LARGEST_BALANCE = 10**12  # minor units, owed or in credit: sums stay exact in every store
_CHANGEABLE = frozenset({"name", "email"})


class CustomerService(CustomerServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, profiles: ProfileDesk) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._profiles = profiles

    async def BatchCreateCustomers(
        self,
        request: api.BatchCreateCustomersRequest,
        context: grpc.aio.ServicerContext[api.BatchCreateCustomersRequest, api.BatchCreateCustomersResponse],
    ) -> api.BatchCreateCustomersResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        if len(request.customers) > _BATCH_LIMIT:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="customers", problem=f"more than {_BATCH_LIMIT}")
        batch = [_new_customer(customer, self._context.currency) for customer in request.customers]
        created = await self._store.write(lambda tx: operations.create(tx, batch, self._context.currency, asked))
        return api.BatchCreateCustomersResponse(created=created, existing=len(batch) - created)

    async def ImportCustomers(
        self,
        request_iterator: AsyncIterator[api.ImportCustomersRequest],
        context: grpc.aio.ServicerContext[api.ImportCustomersRequest, api.ImportCustomersResponse],
    ) -> AsyncIterator[api.ImportCustomersResponse]:
        """See the contract."""
        raise Refused(Reason.REASON_METHOD_UNKNOWN, method="ImportCustomers")
        yield

    async def QueryProfile(
        self,
        request: api.QueryProfileRequest,
        context: grpc.aio.ServicerContext[api.QueryProfileRequest, api.QueryProfileResponse],
    ) -> api.QueryProfileResponse:
        """See the contract."""
        return api.QueryProfileResponse(profile=await self._profiles.query(request))

    async def GetCustomer(
        self,
        request: api.GetCustomerRequest,
        context: grpc.aio.ServicerContext[api.GetCustomerRequest, api.GetCustomerResponse],
    ) -> api.GetCustomerResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        number = normalize(request.number)
        found = await self._store.write(lambda tx: operations.read(tx, number, asked))
        return api.GetCustomerResponse(customer=self._message(*found))

    async def ListCustomers(
        self,
        request: api.ListCustomersRequest,
        context: grpc.aio.ServicerContext[api.ListCustomersRequest, api.ListCustomersResponse],
    ) -> api.ListCustomersResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        size, after = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        found = await self._store.write(lambda tx: operations.read_page(tx, after, size + 1, asked))
        more = len(found) > size
        return api.ListCustomersResponse(
            customers=[self._message(*each) for each in found[:size]],
            next_page_token=encode_token(_PAGE, found[size - 1][0].customer_id) if more else "",
        )

    async def UpdateCustomer(
        self,
        request: api.UpdateCustomerRequest,
        context: grpc.aio.ServicerContext[api.UpdateCustomerRequest, api.UpdateCustomerResponse],
    ) -> api.UpdateCustomerResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        paths = set(request.update_mask.paths)
        if not paths or paths - _CHANGEABLE:
            problem = f"names one or both of {', '.join(sorted(_CHANGEABLE))}"
            raise Refused(Reason.REASON_REQUEST_INVALID, field="update_mask", problem=problem)
        changes = {path: str(getattr(request.customer, path)) for path in paths}
        for path, value in changes.items():
            require_length(path, value, _NAME_LIMIT, required=path == "name")
        number = normalize(request.customer.product.number)
        found = await self._store.write(lambda tx: operations.change(tx, number, changes, asked))
        return api.UpdateCustomerResponse(customer=self._message(*found))

    def _message(self, customer: CustomerRow, line: Line, balance: int) -> api.Customer:
        return api.Customer(
            id=customer.customer_id,
            name=customer.name,
            email=customer.email,
            product=product_message(line),
            billing_account=api.BillingAccount(
                id=line.account_id, balance=Money(minor_units=balance, currency=self._context.currency)
            ),
        )


def _new_customer(customer: api.Customer, currency: str) -> NewCustomer:
    """The customer as rows. Raises Refused for a field that is not valid."""
    product, account = customer.product, customer.billing_account
    for field, value in (("id", customer.id), ("product.id", product.id), ("billing_account.id", account.id)):
        require_length(field, value, _NAME_LIMIT, required=True)
    require_length("name", customer.name, _NAME_LIMIT, required=True)
    require_length("email", customer.email, _NAME_LIMIT)
    if not product.status or product.status not in api.ProductStatus.values():
        raise Refused(Reason.REASON_REQUEST_INVALID, field="product.status", problem="not set")
    if account.balance.currency != currency:
        problem = f"the accounts of this region are in {currency}"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="billing_account.balance.currency", problem=problem)
    if abs(account.balance.minor_units) > _LARGEST_BALANCE:
        problem = f"more than {_LARGEST_BALANCE} minor units"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="billing_account.balance.minor_units", problem=problem)
    line = Line(
        product_id=product.id,
        customer_id=customer.id,
        account_id=account.id,
        number=normalize(product.number),
        status=product.status,
        plan_id=product.plan_id,
        start_date=_instant(product, "start_date") or from_timestamp(product.start_date),
        contract_end=_instant(product, "contract_end_date"),
        binding=product.binding,
        sim_replaced=_instant(product, "sim_replace_date"),
        suspension_reason=product.suspension_reason,
        suspension_end=_instant(product, "suspension_end_date"),
    )
    return NewCustomer(CustomerRow(customer.id, customer.name, customer.email), line, account.balance.minor_units)


_InstantField = Literal["start_date", "contract_end_date", "sim_replace_date", "suspension_end_date"]


def _instant(product: api.Product, field: _InstantField) -> datetime | None:
    """An instant of a line, if it is set. Raises Refused for a time that no calendar has."""
    if not product.HasField(field):
        return None
    try:
        return from_timestamp(getattr(product, field))
    except OverflowError:
        problem = "out of range"
        raise Refused(Reason.REASON_REQUEST_INVALID, field=f"product.{field}", problem=problem) from None
