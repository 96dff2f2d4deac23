"""The region's own customers: taken over once, read under audit, changed where the mask says."""

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1.customer_service_pb2 import (
    Customer,
    ListCustomersRequest,
    Product,
    UpdateCustomerRequest,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation


async def test_a_batch_taken_over_twice_is_there_once(federation: Federation, sichuan: Counter) -> None:
    batch = [sichuan.customer(federation.next_number("sichuan")) for _ in range(3)]
    first, second = await sichuan.create(*batch), await sichuan.create(*batch)
    assert (first.created, first.existing) == (3, 0)
    assert (second.created, second.existing) == (0, 3)
    assert await sichuan.balance(batch[0].product.number) == 20_000


async def test_only_named_fields_are_changed(sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    before = await sichuan.read(number)
    request = UpdateCustomerRequest(
        customer=Customer(name="Wang Fang", email="wang@example.com", product=Product(number=number)),
        update_mask=FieldMask(paths=["email"]),
        requester=REQUESTER,
    )
    response = await sichuan.customers.UpdateCustomer(request, timeout=CALL_SECONDS)
    assert (response.customer.name, response.customer.email) == (before.name, "wang@example.com")
    assert await sichuan.read(number) == response.customer
    assert (await sichuan.customers.UpdateCustomer(request, timeout=CALL_SECONDS)) == response


async def test_pages_list_every_customer_once(federation: Federation) -> None:
    henan = Counter(federation, "henan")
    numbers = [await henan.new_customer() for _ in range(3)]
    found: list[str] = []
    token = ""
    while True:
        request = ListCustomersRequest(page_size=2, page_token=token, requester=REQUESTER)
        page = await henan.customers.ListCustomers(request, timeout=CALL_SECONDS)
        found.extend(customer.product.number for customer in page.customers)
        token = page.next_page_token
        if not token:
            break
    assert len(found) == len(set(found))
    assert set(numbers) <= set(found)


async def test_every_reading_is_audited_with_who_read(federation: Federation, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    await sichuan.read(number)
    rows = federation.database("sichuan").rows(
        "SELECT actor FROM audit WHERE action = 'GetCustomer' AND subject = ?", f"customer-{number.removeprefix('+')}"
    )
    assert rows == [("region/sichuan/operator/counter",)]


async def test_a_customer_of_another_region_is_not_readable(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    assert (await refusal(guangdong.read(number))).reason == "CUSTOMER_NOT_FOUND"
    spy = CustomerServiceStub(federation.dial_node("sichuan", guangdong.path))
    request = ListCustomersRequest(requester=REQUESTER)
    assert (await refusal(spy.ListCustomers(request, timeout=CALL_SECONDS))).reason == "PERMISSION_DENIED"
