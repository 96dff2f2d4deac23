"""CustomerService: the region's own customers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import grpc

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceServicer
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.federation.policies import OTHER_CONTACT_SETTLES
from gateway.rpc.pages import decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from gateway.values.lists import some_of
from region_node.customers import imports, operations
from region_node.customers.contacts_asked import ContactApplication
from region_node.customers.listed_lines import count_lines
from region_node.customers.messages import customer_message
from region_node.customers.operations import KnownCustomer
from region_node.customers.other_contacts.rules import Wanted, named_contacts
from region_node.customers.own_readings import OwnReadings
from region_node.customers.profiles_asked import ProfileApplication
from region_node.customers.rows import Line
from region_node.customers.taking_over import new_customer, require_own_plan
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.records.listing import FAR, Position
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import TEXT_LIMIT, require_length
from region_node.requests.importing.stream import ImportStream

T = TypeVar("T")
_PAGE = "customers"
_SEPARATOR = "\0"  # between the ids of a customer and a line: neither contains it
_BATCH_LIMIT = 500
_CONTACTS = "other_contacts"
_CHANGEABLE = ("name", "email", _CONTACTS)


@dataclass(frozen=True)
class _Named:
    """The line that a request names: by its number in E.164, or by its id."""

    number: str = field(repr=False)
    product_id: str

    @classmethod
    def of(cls, number: str, product_id: str) -> "_Named":
        """Raises Refused where no line is named, or it is named twice."""
        if number and product_id:
            raise invalid("product_id", "the number is named as well", "已指明号码")
        return cls("" if product_id else normalize(number), product_id)

    def number_in(self, tx: Transaction) -> str:
        """The number of the line. Raises Refused as `number_of`."""
        return self.number or operations.number_of(tx, self.product_id)


class CustomerService(CustomerServiceServicer):
    """See the contract."""

    def __init__(
        self,
        context: RegionContext,
        store: Store,
        clock: Clock,
        profiles: ProfileApplication,
        contacts: ContactApplication,
    ) -> None:
        self._context = context
        self._store = store
        self._readings = OwnReadings(context, store)
        self._clock = clock
        self._profiles = profiles
        self._contacts = contacts

    async def BatchCreateCustomers(
        self,
        request: api.BatchCreateCustomersRequest,
        context: grpc.aio.ServicerContext[api.BatchCreateCustomersRequest, api.BatchCreateCustomersResponse],
    ) -> api.BatchCreateCustomersResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        if len(request.customers) > _BATCH_LIMIT:
            raise invalid("customers", f"more than {_BATCH_LIMIT}", f"超过{_BATCH_LIMIT}项")
        batch = [new_customer(customer, self._context.currency) for customer in request.customers]
        federation, region = self._context.federation, self._context.region

        def require_new(line: Line) -> None:
            require_own_plan(line, federation, region)

        def create(tx: Transaction) -> int:
            return operations.create(tx, batch, self._context.currency, asked, require_new)

        if not request.show_customer:
            created = await self._store.write(create)
            return api.BatchCreateCustomersResponse(created=created, existing=len(batch) - created)
        if len(batch) != 1:
            raise invalid("show_customer", "the batch has not one customer", "该批次的客户不是一个")
        named = _Named(batch[0].line.number, "")
        created, shown = await self._counted(
            named, asked, lambda tx, number: (create(tx), operations.read(tx, number, asked))
        )
        return api.BatchCreateCustomersResponse(
            created=created, existing=len(batch) - created, customer=self._message(shown)
        )

    async def ImportCustomers(
        self,
        request_iterator: AsyncIterator[api.ImportCustomersRequest],
        context: grpc.aio.ServicerContext[api.ImportCustomersRequest, api.ImportCustomersResponse],
    ) -> AsyncIterator[api.ImportCustomersResponse]:
        """See the contract."""
        file = await imports.opened_file(request_iterator)
        asked = audited_call(file.requester, self._clock)
        stream = ImportStream(self._store, self._clock, file, asked, imports.importing(self._context))
        async for done in stream.answers(imports.pieces(request_iterator, self._context)):
            yield imports.answer(done)

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
        named = _Named.of(request.number, request.product_id)
        found = await self._counted(named, asked, lambda tx, number: operations.read(tx, number, asked))
        return api.GetCustomerResponse(customer=self._message(found))

    async def ListCustomers(
        self,
        request: api.ListCustomersRequest,
        context: grpc.aio.ServicerContext[api.ListCustomersRequest, api.ListCustomersResponse],
    ) -> api.ListCustomersResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        size = page_size(request.page_size)
        customer_id, _, product_id = decode_token(_PAGE, request.page_token).partition(_SEPARATOR)
        position = Position(request.skip, counts=request.show_total_size)

        def read(tx: Transaction) -> tuple[list[KnownCustomer], int | None]:
            after = (customer_id, product_id)
            found = operations.read_page(tx, *after, size + 1, asked, position.skip, in_reverse=request.in_reverse)
            return found, count_lines(tx, FAR) if position.counts else None

        found, total = await self._store.write(read)
        page, token = first_page(_PAGE, found, size, _place)
        told = [self._message(each) for each in page]
        return api.ListCustomersResponse(customers=told, next_page_token=token, total_size=total)

    async def UpdateCustomer(
        self,
        request: api.UpdateCustomerRequest,
        context: grpc.aio.ServicerContext[api.UpdateCustomerRequest, api.UpdateCustomerResponse],
    ) -> api.UpdateCustomerResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        paths = set(request.update_mask.paths)
        if not paths or paths - {*_CHANGEABLE}:
            raise invalid("update_mask", *some_of(_CHANGEABLE))
        contacts = self._contacts_wanted(request.customer, asked.now) if _CONTACTS in paths else None
        changes = {path: str(getattr(request.customer, path)) for path in paths - {_CONTACTS}}
        for path, value in changes.items():
            require_length(path, value, TEXT_LIMIT, required=path == "name")
        product = request.customer.product
        named = _Named.of(product.number, "" if product.number else product.id)
        found = await self._counted(
            named, asked, lambda tx, number: operations.change(tx, number, changes, asked, contacts)
        )
        return api.UpdateCustomerResponse(customer=self._message(found))

    async def GetContactPreferences(
        self,
        request: api.GetContactPreferencesRequest,
        context: grpc.aio.ServicerContext[api.GetContactPreferencesRequest, api.GetContactPreferencesResponse],
    ) -> api.GetContactPreferencesResponse:
        """See the contract."""
        asked, named = audited_call(request.requester, self._clock), _Named.of(request.number, "")
        found = await self._counted(named, asked, lambda tx, number: operations.read_preferences(tx, number, asked))
        return api.GetContactPreferencesResponse(preferences=found)

    async def SetContactPreferences(
        self,
        request: api.SetContactPreferencesRequest,
        context: grpc.aio.ServicerContext[api.SetContactPreferencesRequest, api.SetContactPreferencesResponse],
    ) -> api.SetContactPreferencesResponse:
        """See the contract."""
        return api.SetContactPreferencesResponse(preferences=await self._contacts.change(request))

    def _contacts_wanted(self, customer: api.Customer, now: datetime) -> Wanted:
        """The other contacts of a change; a new one gets codes once the hours of a policy are over."""
        numbers = named_contacts(f"customer.{_CONTACTS}", (each.number for each in customer.other_contacts))
        settles = timedelta(hours=self._context.federation.figure(OTHER_CONTACT_SETTLES, (self._context.region,)))
        return Wanted(numbers, now + settles, ZoneInfo(self._context.time_zone))

    async def _counted(self, named: _Named, asked: AuditedCall, operation: Callable[[Transaction, str], T]) -> T:
        """What an operation gives of the line that a request names."""
        return await self._readings.write(
            asked.dealer, Shown("", named.number), asked.now, lambda tx: operation(tx, named.number_in(tx))
        )

    def _message(self, known: KnownCustomer) -> api.Customer:
        balance = Money(minor_units=known.balance, currency=self._context.currency)
        return customer_message(known.customer, known.line, known.subscriptions, balance, known.other_contacts)


def _place(known: KnownCustomer) -> str:
    """The place of a customer's line in the list."""
    return f"{known.customer.customer_id}{_SEPARATOR}{known.line.product_id}"
