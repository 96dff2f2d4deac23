"""Bad input gives a clear error with a reason of the contract, and changes nothing anywhere."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.region.v1 import catalogue_service_pb2 as catalogue_api
from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document
from gateway.rpc.pages import encode_token
from tests.federation.counter import REQUESTER, Counter, Reviewer, seconds
from tests.federation.databases import Row
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, REGIONS, Federation

pytestmark = pytest.mark.files  # what is refused at the border never comes to the engine
SUBMIT = "/gateway.api.region.v1.OrderService/SubmitOrder"
LONG = "订" * 10_000
Contents = Mapping[str, Mapping[str, list[Row]]]


def contents(federation: Federation, *without: str) -> Contents:
    """All rows of all databases, without some tables.

    Left out is what heartbeats renew, what a region finds out by itself about numbers of former tests and the offerings
    of others, and which heads of their chains it has seen.
    """
    left_out = ("moved_numbers", "known_offerings", *without)
    found = {region: federation.database(region).contents(without=left_out) for region in REGIONS}
    return {**found, "coordinator": federation.coordinator_database.contents(without=("audit_heads",))}


def changes(before: Contents, after: Contents) -> set[str]:
    """The tables that differ, each with its member."""
    return {
        f"{member} {table}"
        for member, tables in after.items()
        for table, rows in tables.items()
        if rows != before[member].get(table)
    }


async def requires_nothing_changed(federation: Federation, call: Callable[[], Awaitable[object]], *without: str) -> str:
    """Makes a call that must be refused and leave no trace, but in some tables; returns its reason."""
    before = contents(federation, *without)
    told = await refusal(call())
    assert contents(federation, *without) == before
    return told.reason


Spoil = Callable[[Counter, OrderRequest], object]


def _old(counter: Counter, order: OrderRequest) -> None:
    order.documents[0].CopyFrom(counter.document("ID_ORIG", age=timedelta(days=91)))


def _future(counter: Counter, order: OrderRequest) -> None:
    order.documents[0].CopyFrom(counter.document("ID_ORIG", age=timedelta(minutes=-5)))


def _beyond(counter: Counter, order: OrderRequest) -> None:
    order.documents[0].verify_time.seconds = 2**61


def _has(**characteristics: str) -> Spoil:
    return lambda counter, order: order.characteristics.update(characteristics)


def _set(**fields: object) -> Spoil:
    def spoil(counter: Counter, order: OrderRequest) -> None:
        for name, value in fields.items():
            setattr(order, name, value)

    return spoil


def _who(**fields: object) -> Spoil:
    def spoil(counter: Counter, order: OrderRequest) -> None:
        for name, value in fields.items():
            setattr(order.requester, name, value)

    return spoil


SPOILED: list[tuple[str, Spoil, str]] = [
    ("a number of letters", _set(number="call me"), "NUMBER_INVALID"),
    ("a number that is too short", _set(number="12345"), "NUMBER_INVALID"),
    ("no number", _set(number=""), "NUMBER_INVALID"),
    ("an unknown business", _set(business="TELEPORT"), "BUSINESS_UNKNOWN"),
    ("no business", _set(business=""), "BUSINESS_UNKNOWN"),
    ("a business name of thirty kilobytes", _set(business=LONG), "BUSINESS_UNKNOWN"),
    ("a query as an order", _set(business="QRY_BILL"), "REQUEST_INVALID"),
    ("no documents", lambda counter, order: order.ClearField("documents"), "DOCUMENT_MISSING"),
    ("a stale document", _old, "DOCUMENT_STALE"),
    ("a document of the future", _future, "DOCUMENT_STALE"),
    ("a time beyond all calendars", _beyond, "DOCUMENT_STALE"),
    ("a document code of thirty kilobytes", lambda c, o: o.documents.append(c.document(LONG)), "REQUEST_INVALID"),
    ("a document that nobody knows", lambda c, o: o.documents.append(c.document("HOROSCOPE")), "REQUEST_INVALID"),
    ("a document without a code", lambda c, o: o.documents[0].ClearField("code"), "REQUEST_INVALID"),
    ("a document that nobody verified", lambda c, o: o.documents[0].ClearField("verifier"), "REQUEST_INVALID"),
    ("a document never verified", lambda c, o: o.documents[0].ClearField("verify_time"), "REQUEST_INVALID"),
    ("a document without its hash", lambda c, o: o.documents[0].ClearField("keyed_hash"), "REQUEST_INVALID"),
    (
        "a document with its bytes",
        lambda c, o: o.documents.append(Document(keyed_hash=bytes(40_000))),
        "MESSAGE_TOO_LARGE",
    ),
    ("a hundred thousand documents", lambda c, o: o.documents.extend([Document()] * 100_000), "TOO_MANY_ELEMENTS"),
    ("no applicant", _set(applicant=Applicant.APPLICANT_UNSPECIFIED), "APPLICANT_NOT_ALLOWED"),
    ("an unknown characteristic", _has(colour="red"), "CHARACTERISTIC_INVALID"),
    ("a characteristic without a name", _has(**{"": "red"}), "CHARACTERISTIC_INVALID"),
    ("a characteristic of thirty kilobytes", _has(**{LONG: "red"}), "CHARACTERISTIC_INVALID"),
    ("no reason", lambda counter, order: order.characteristics.pop("reason"), "CHARACTERISTIC_MISSING"),
    ("a reason of 257 characters", _has(reason="x" * 257), "CHARACTERISTIC_INVALID"),
    ("a reason with a NUL", _has(reason="abroad\0"), "CHARACTER_NOT_ALLOWED"),
    ("a time without a zone", _has(start="2031-01-01T08:00:00"), "CHARACTERISTIC_INVALID"),
    ("a date", _has(start="2031-01-01"), "CHARACTERISTIC_INVALID"),
    ("a time that is none", _has(start="tomorrow"), "CHARACTERISTIC_INVALID"),
    ("a time after which none comes", _has(start="9999-12-31T23:59:59Z"), "CHARACTERISTIC_INVALID"),
    ("a time before which none comes", _has(start="0001-01-01T00:00:00+14:00"), "CHARACTERISTIC_INVALID"),
    ("an amount of a thousand digits more", _set(business="PAY"), "CHARACTERISTIC_INVALID"),
    ("no staff id", _who(staff_id=""), "REQUEST_INVALID"),
    ("a staff id with a space", _who(staff_id="Li Wei"), "REQUEST_INVALID"),
    ("no channel", _who(channel=Channel.CHANNEL_UNSPECIFIED), "REQUEST_INVALID"),
]


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_an_order_with_a_fault_is_refused_and_leaves_no_trace(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    wrong, before = [], contents(federation)
    for what, spoil, reason in SPOILED:
        order = guangdong.request("SUSPEND", federation.next_number(home))
        spoil(guangdong, order)
        told = (await refusal(guangdong.submit(order))).reason
        after = contents(federation)
        changed = changes(before, after)
        if reason == "DOCUMENT_MISSING":
            # The home region is asked what is on file, and that it was asked is recorded there.
            changed -= {f"{region} audit" for region in REGIONS}
        if told != reason or changed:
            wrong.append((what, told, changed))
        before = after
    assert wrong == []


async def test_a_payment_of_anything_but_a_positive_whole_amount_is_refused(
    federation: Federation, guangdong: Counter
) -> None:
    before = contents(federation)
    for amount in ("0", "-5", "1.5", "1e3", " 5", "１２", "1" * 14, "1" * 5000):
        order = guangdong.request("PAY", federation.next_number("sichuan"), amount=amount)
        assert (await refusal(guangdong.submit(order))).reason == "CHARACTERISTIC_INVALID", amount
    assert contents(federation) == before


async def test_number_portability_is_refused_away_from_home_and_says_why(
    federation: Federation, guangdong: Counter
) -> None:
    before = contents(federation)
    told = await refusal(guangdong.order("MNP_IN", federation.next_number("sichuan")))
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BUSINESS_NOT_OFFERED")
    assert "携号转网" in told.texts["zh-CN"]
    assert contents(federation) == before


@pytest.mark.parametrize("request_id", ["", "R 1", "R/1", "R#1", "订单", "x" * 65])
async def test_a_request_id_of_another_form_is_refused(
    federation: Federation, guangdong: Counter, request_id: str
) -> None:
    order = guangdong.request("SUSPEND", federation.next_number("sichuan"))
    message = order_api.SubmitOrderRequest(request_id=request_id, order=order)

    def call() -> Awaitable[object]:
        return guangdong.orders.SubmitOrder(message, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


@pytest.mark.parametrize("wait", [seconds(30.001), seconds(-0.001), Duration(seconds=2**62)])
async def test_a_wait_that_is_too_long_or_negative_is_refused(
    federation: Federation, guangdong: Counter, wait: Duration
) -> None:
    order = guangdong.request("SUSPEND", federation.next_number("sichuan"))
    message = order_api.SubmitOrderRequest(request_id=federation.next_id(), order=order, wait=wait)

    def call() -> Awaitable[object]:
        return guangdong.orders.SubmitOrder(message, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


@pytest.mark.parametrize("size", [4 * 1024 * 1024, 10 * 1024 * 1024])
async def test_a_message_that_is_too_large_is_refused(federation: Federation, guangdong: Counter, size: int) -> None:
    order = guangdong.request("SUSPEND", federation.next_number("sichuan"), reason="x" * size)
    reason = await requires_nothing_changed(federation, lambda: guangdong.submit(order))
    assert reason == "MESSAGE_TOO_LARGE"


async def test_a_call_without_a_deadline_is_refused(federation: Federation, guangdong: Counter) -> None:
    order = guangdong.request("SUSPEND", federation.next_number("sichuan"))
    message = order_api.SubmitOrderRequest(request_id=federation.next_id(), order=order)
    reason = await requires_nothing_changed(federation, lambda: guangdong.orders.SubmitOrder(message))
    assert reason == "DEADLINE_MISSING"


async def test_bytes_that_are_no_message_are_refused(federation: Federation, guangdong: Counter) -> None:
    channel = federation.dial_node("guangdong", guangdong.path)

    def call() -> Awaitable[object]:
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
        return rpc(b"\xff\xff\xff garbage", timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


@pytest.mark.parametrize("method", ["/gateway.api.region.v1.OrderService/Undo", "/nobody.Knows/This"])
async def test_an_unknown_method_is_refused(federation: Federation, guangdong: Counter, method: str) -> None:
    for channel in (
        federation.dial_node("guangdong", guangdong.path),
        federation.dial_coordinator("admin/root"),
    ):

        def call(channel: grpc.aio.Channel = channel) -> Awaitable[object]:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            return rpc(b"", timeout=CALL_SECONDS)

        assert await requires_nothing_changed(federation, call) == "METHOD_UNKNOWN"


TOKENS = [
    "not a token",
    "%%%",
    encode_token("customers", "1 x"),
    encode_token("orders", "yesterday x"),
    encode_token("orders", "² x"),
    encode_token("orders", f"{10**30} x"),
]


@pytest.mark.parametrize("token", TOKENS)
async def test_a_page_token_of_nobodys_is_refused(federation: Federation, guangdong: Counter, token: str) -> None:
    request = order_api.ListOrdersRequest(page_token=token, requester=REQUESTER)

    def call() -> Awaitable[object]:
        return guangdong.orders.ListOrders(request, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "TOKEN_INVALID"


@pytest.mark.parametrize("size", [-1, 501])
async def test_a_page_size_out_of_bounds_is_refused(federation: Federation, guangdong: Counter, size: int) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: guangdong.orders.ListOrders(
            order_api.ListOrdersRequest(page_size=size, requester=REQUESTER), timeout=CALL_SECONDS
        ),
        lambda: guangdong.customers.ListCustomers(
            customer_api.ListCustomersRequest(page_size=size, requester=REQUESTER), timeout=CALL_SECONDS
        ),
        lambda: guangdong.catalogue.ListBusinesses(
            catalogue_api.ListBusinessesRequest(page_size=size), timeout=CALL_SECONDS
        ),
        lambda: guangdong.catalogue.ListPlans(catalogue_api.ListPlansRequest(page_size=size), timeout=CALL_SECONDS),
        lambda: federation.oversight.ListOrderSummaries(
            admin_api.ListOrderSummariesRequest(page_size=size), timeout=CALL_SECONDS
        ),
    ]
    for call in calls:
        assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


@pytest.mark.parametrize("paths", [[], ["product"], ["name", "billing_account.balance"], ["*"]])
async def test_an_update_mask_that_names_anything_else_is_refused(
    federation: Federation, guangdong: Counter, paths: list[str]
) -> None:
    number = await guangdong.new_customer()
    request = customer_api.UpdateCustomerRequest(
        customer=customer_api.Customer(name="Wang Fang", product=customer_api.Product(number=number)),
        update_mask=FieldMask(paths=paths),
        requester=REQUESTER,
    )

    def call() -> Awaitable[object]:
        return guangdong.customers.UpdateCustomer(request, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


def _customer_faults(counter: Counter) -> Iterator[tuple[str, customer_api.Customer]]:
    for fault, field, value in (
        ("NUMBER_INVALID", "number", "12"),
        ("REQUEST_INVALID", "id", ""),
        ("REQUEST_INVALID", "status", 0),
        ("PLAN_UNKNOWN", "plan_id", "unknown-1"),
        ("PLAN_UNKNOWN", "plan_id", "sichuan-29"),
    ):
        customer = counter.customer(counter.federation.next_number(counter.region))
        setattr(customer.product, field, value)
        yield fault, customer
    customer = counter.customer(counter.federation.next_number(counter.region))
    customer.billing_account.balance.currency = "EUR"
    yield "REQUEST_INVALID", customer
    customer = counter.customer(counter.federation.next_number(counter.region))
    customer.product.start_time.seconds = 2**61
    yield "REQUEST_INVALID", customer
    customer = counter.customer(counter.federation.next_number(counter.region))
    customer.name = "x" * 257
    yield "REQUEST_INVALID", customer
    for field in ("name", "email", "id"):
        customer = counter.customer(counter.federation.next_number(counter.region))
        setattr(customer, field, "x\0")
        yield "CHARACTER_NOT_ALLOWED", customer


async def test_one_bad_customer_keeps_the_whole_batch_out(federation: Federation, guangdong: Counter) -> None:
    for reason, bad in _customer_faults(guangdong):
        good = guangdong.customer(federation.next_number("guangdong"))

        def call(good: customer_api.Customer = good, bad: customer_api.Customer = bad) -> Awaitable[object]:
            return guangdong.create(good, bad)

        assert await requires_nothing_changed(federation, call) == reason


async def test_a_taken_number_keeps_the_whole_batch_out(federation: Federation, guangdong: Counter) -> None:
    number = await guangdong.new_customer()
    other = guangdong.customer(number, name="Somebody Else")
    new = guangdong.customer(federation.next_number("guangdong"))
    assert await requires_nothing_changed(federation, lambda: guangdong.create(new, other)) == "CUSTOMER_EXISTS"


@pytest.mark.parametrize(
    ("decision", "documents", "note"),
    [
        (0, [], "why"),
        (99, [], "why"),
        (order_api.ReviewDecision.REVIEW_DECISION_RETURN, [], "why"),
        (order_api.ReviewDecision.REVIEW_DECISION_RETURN, ["SIM"], ""),
        (order_api.ReviewDecision.REVIEW_DECISION_REJECT, [], ""),
        (order_api.ReviewDecision.REVIEW_DECISION_REJECT, [], "x" * 1001),
        (order_api.ReviewDecision.REVIEW_DECISION_APPROVE, ["SIM"], ""),
    ],
)
async def test_a_review_that_says_too_little_or_too_much_is_refused(
    federation: Federation,
    sichuan: Counter,
    reviewer: Reviewer,
    decision: order_api.ReviewDecision.ValueType,
    documents: list[str],
    note: str,
) -> None:
    def call() -> Awaitable[object]:
        return reviewer.decide("guangdong/counter/R1", decision, documents=documents, note=note)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


async def test_an_unknown_order_is_refused_by_every_command(federation: Federation, guangdong: Counter) -> None:
    commands: list[Callable[[str], Awaitable[object]]] = [
        guangdong.get,
        guangdong.cancel,
        guangdong.confirm,
        lambda order_id: guangdong.supplement(order_id, "SIM"),
        guangdong.expedite,
    ]
    for order_id in ("guangdong/counter/none", "", LONG):
        for command in commands:
            reason = await requires_nothing_changed(federation, partial(command, order_id))
            assert reason == "ORDER_NOT_FOUND"


async def test_a_cancellation_must_give_a_reason(federation: Federation, guangdong: Counter) -> None:
    request = order_api.CancelOrderRequest(request_id="R1", order_id="guangdong/counter/R1", requester=REQUESTER)

    def call() -> Awaitable[object]:
        return guangdong.orders.CancelOrder(request, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "REQUEST_INVALID"


async def test_a_configuration_that_contradicts_itself_is_refused(federation: Federation) -> None:
    configuration = await federation.configuration()
    configuration.number_plan.prefixes[0].region = "atlantis"

    assert (
        await requires_nothing_changed(federation, lambda: federation.apply(configuration)) == "CONFIGURATION_INVALID"
    )


async def test_a_configuration_made_from_an_older_one_is_refused(federation: Federation) -> None:
    configuration = await federation.configuration()
    configuration.businesses[0].tariff.en = "By agreement"
    request = admin_api.ApplyConfigurationRequest(configuration=configuration, expected_revision=0)

    def call() -> Awaitable[object]:
        return federation.administration.ApplyConfiguration(request, timeout=CALL_SECONDS)

    assert await requires_nothing_changed(federation, call) == "CONFIGURATION_CHANGED"


async def test_an_unknown_region_is_neither_suspended_nor_listed(federation: Federation) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: federation.suspend("atlantis"),
        lambda: federation.reinstate("atlantis"),
        lambda: federation.oversight.ListOrderSummaries(
            admin_api.ListOrderSummariesRequest(region="atlantis"), timeout=CALL_SECONDS
        ),
    ]
    for call in calls:
        assert await requires_nothing_changed(federation, call) == "REGION_UNKNOWN"


async def test_a_check_alone_stores_and_sends_nothing(federation: Federation, guangdong: Counter) -> None:
    before = contents(federation)
    request = order_api.SubmitOrderRequest(
        order=guangdong.request("SUSPEND", federation.next_number("sichuan")), validate_only=True
    )
    response = await guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS)
    assert not response.HasField("order")
    assert contents(federation) == before
