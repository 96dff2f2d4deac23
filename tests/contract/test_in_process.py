"""A call from within the process passes the border as one by gRPC does, and ends as it does."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.message import Message
from opentelemetry.trace import NoOpTracer

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.region.v1 import order_service_pb2 as api
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.calls import current_call
from gateway.rpc.in_process import Arrival, InProcess, _Context
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.security.identity import Identity
from gateway.security.revocations import Revocations
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates

ORDERS = api.DESCRIPTOR.services_by_name["OrderService"]
GET, CANCEL = "/gateway.api.region.v1.OrderService/GetOrder", "/gateway.api.region.v1.OrderService/CancelOrder"
COUNTER, STRANGER = "region/sichuan/operator/counter", "region/henan/operator/counter"
LONG, SHORT = 60.0, 0.05  # seconds until a deadline
Read = Callable[[], Awaitable[Message]]


async def order() -> Message:
    """The request of a caller."""
    return api.GetOrderRequest(order_id="any")


async def never() -> Message:
    """A request that nobody may read."""
    raise AssertionError("a request was read")


async def later() -> Message:
    """A request that does not come."""
    await asyncio.Event().wait()
    return await order()


class Orders:
    """Answers with the order that it is asked for, once it is let."""

    def __init__(self) -> None:
        self.begun, self.let = asyncio.Event(), asyncio.Event()

    def add(self, server: grpc.aio.Server) -> None:
        """Adds the one method, as generated code does."""
        method = grpc.unary_unary_rpc_method_handler(
            self.get, api.GetOrderRequest.FromString, api.GetOrderResponse.SerializeToString
        )
        server.add_registered_method_handlers(ORDERS.full_name, {"GetOrder": method})

    async def get(self, request: api.GetOrderRequest, _: object) -> api.GetOrderResponse:
        self.begun.set()
        await self.let.wait()
        assert current_call().identity.path == COUNTER
        return api.GetOrderResponse(order=Order(id=request.order_id))


class Served(UnrecordedCalls):
    """The calls that are in the figures: the method and the status of each."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def served(self, method: str, status: str, started: float) -> None:
        self.calls.append((method.rpartition("/")[2], status))


class Process:
    """The calls within a node of Sichuan, its figures, and whom its border has turned away."""

    def __init__(self, tmp_path: Path) -> None:
        self.certificates = Certificates(tmp_path)
        self.revocations = Revocations(self.certificates.authority.certificate_pem, FEDERATION)
        self.orders = Orders()
        self.denied: list[tuple[str, str]] = []
        self.served = Served()
        ports = BorderPorts(
            FEDERATION,
            AccessRules([ORDERS], "sichuan"),
            Tracing(NoOpTracer(), records=False),
            self.served,
            self._deny,
            self.revocations,
        )
        self.calls = InProcess([self.orders.add], BorderInterceptor(ports))

    async def _deny(self, identity: Identity, method: str, refused: Refused) -> None:
        self.denied.append((identity.path, reason_name(refused.reason)))

    async def get(self, caller: str = COUNTER, seconds: float = LONG, read: Read = order) -> Message:
        return await self.calls.call(GET, Arrival(self.shown(caller), (), seconds, read))

    async def choose(
        self, shown: Mapping[str, Collection[bytes]], read: Read = order, seconds: float = LONG
    ) -> Message:
        """A call of whoever may cancel orders, which turns out to ask for one."""
        return await self.calls.call(CANCEL, Arrival(shown, (), seconds, read, lambda _: GET))

    def shown(self, caller: str) -> Mapping[str, Collection[bytes]]:
        pem = self.certificates.credentials(caller).certificate.read_bytes()
        uri = f"spiffe://{FEDERATION}/{caller}".encode()
        return {"peer_uri": [uri], "x509_pem_cert": [pem], "x509_pem_cert_chain": [pem]}

    def revoke(self, caller: str) -> None:
        """Revokes the certificate that the caller has shown last."""
        folder = self.certificates._root / caller.replace("/", "_")
        serial = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number
        crl = self.certificates.authority.revocation_list([serial], 1, CLOCK.now())
        self.revocations.take(RevocationList(crl=crl.public_bytes(Encoding.DER)))


async def why(call: Awaitable[object]) -> str:
    """Why a call is refused."""
    with pytest.raises(Refused) as refused:
        await call
    return reason_name(refused.value.reason)


def test_a_call_is_answered_and_leaves_nothing_behind_for_the_next_of_its_connection(tmp_path: Path) -> None:
    async def story() -> None:
        process = Process(tmp_path)
        process.orders.let.set()
        for _ in range(2):
            assert await process.get() == api.GetOrderResponse(order=Order(id="any"))
            with pytest.raises(LookupError):
                current_call()

    asyncio.run(story())


def test_a_caller_who_may_not_call_is_noted_and_nothing_of_it_is_read(tmp_path: Path) -> None:
    async def story() -> None:
        process = Process(tmp_path)
        assert await why(process.get(STRANGER, read=never)) == "PERMISSION_DENIED"
        assert process.denied == [(STRANGER, "PERMISSION_DENIED")]

    asyncio.run(story())


def test_nothing_keeps_a_call_that_was_refused(tmp_path: Path) -> None:
    async def refuse(process: Process) -> str:
        try:
            await process.get(STRANGER, read=never)
        except Refused as refused:
            return reason_name(refused.reason)
        return ""

    async def story() -> None:
        assert await refuse(Process(tmp_path)) == "PERMISSION_DENIED"
        await asyncio.sleep(0)  # the loop has let go of what woke this task
        assert [each for each in gc.get_objects() if isinstance(each, _Context)] == []

    gc.collect()
    gc.disable()
    try:
        asyncio.run(story())
    finally:
        gc.enable()


def test_a_request_that_says_which_rpc_it_is_for_is_read_for_those_who_may_call_and_in_time(tmp_path: Path) -> None:
    async def broken() -> Message:
        raise KeyError("no such")

    async def story() -> None:
        process = Process(tmp_path)
        process.orders.let.set()
        shown = {caller: process.shown(caller) for caller in (COUNTER, STRANGER)}
        assert await process.choose(shown[COUNTER]) == api.GetOrderResponse(order=Order(id="any"))
        assert await why(process.choose(shown[STRANGER], never)) == "PERMISSION_DENIED"
        assert process.denied == [(STRANGER, "PERMISSION_DENIED")]
        assert await why(process.choose(shown[COUNTER], later, SHORT)) == "ANSWER_LATE"
        assert await why(process.choose(shown[COUNTER], broken)) == "INTERNAL"
        process.revoke(COUNTER)
        assert await why(process.choose(shown[COUNTER], never)) == "CERTIFICATE_REVOKED"

    asyncio.run(story())


def test_a_request_that_says_which_rpc_it_is_for_is_waited_for_as_any_other_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CALLS", 1)
    begun = asyncio.Event()

    async def silent() -> Message:
        begun.set()
        return await later()

    async def story() -> None:
        process = Process(tmp_path)
        process.orders.let.set()
        shown = process.shown(COUNTER)
        with monkeypatch.context() as hasty:
            hasty.setattr("gateway.rpc.request_streams.PATIENCE", 0)
            hasty.setattr("gateway.rpc.request_streams.BYTES_PER_SECOND", 2**40)
            assert await why(process.choose(shown, silent)) == "REQUEST_NOT_SENT"
        assert process.served.calls == [("CancelOrder", "DEADLINE_EXCEEDED")]
        process.served.calls.clear()
        await process.choose(shown)
        assert process.served.calls == [("GetOrder", "OK")]
        begun.clear()
        reading = asyncio.create_task(process.choose(shown, silent))
        await begun.wait()
        process.revoke(COUNTER)
        assert await why(reading) == "CERTIFICATE_REVOKED", "it went on with a revoked certificate"
        assert process.denied == [(COUNTER, "CERTIFICATE_REVOKED")]

    asyncio.run(story())


def test_what_cannot_be_read_is_refused_as_its_reader_says_and_a_defect_by_a_number(tmp_path: Path) -> None:
    def raising(error: Exception) -> Read:
        async def read() -> Message:
            raise error

        return read

    async def story() -> None:
        process = Process(tmp_path)
        refused = Refused(Reason.REASON_REQUEST_INVALID, field="body", problem="is none")
        assert await why(process.get(read=raising(refused))) == "REQUEST_INVALID"
        assert await why(process.get(read=raising(KeyError("no such")))) == "INTERNAL"
        unknown = Arrival(process.shown(COUNTER), (), LONG, raising(refused))
        assert await why(process.calls.call("/gateway.api.region.v1.OrderService/Nothing", unknown)) == "METHOD_UNKNOWN"

    asyncio.run(story())


def test_a_call_ends_at_its_deadline_and_when_its_certificate_is_revoked(tmp_path: Path) -> None:
    async def story() -> None:
        process = Process(tmp_path)
        assert await why(process.get(seconds=SHORT)) == "ANSWER_LATE"
        process.orders.begun.clear()
        call = asyncio.create_task(process.get())
        await process.orders.begun.wait()
        process.revoke(COUNTER)
        assert await why(call) == "CERTIFICATE_REVOKED"
        assert process.denied == [(COUNTER, "CERTIFICATE_REVOKED")]

    asyncio.run(story())
