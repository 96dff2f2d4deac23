"""The person who acts through an operator system, at a real server: by the metadata of each call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from opentelemetry.trace import NoOpTracer

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Document, Requester
from gateway.errors import Refused, reason_name
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.acting import ActingStaff
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.security.identity import Identity, parse, server_name
from gateway.security.revocations import Revocations
from gateway.security.staff_proofs import StaffProofs, statement_for
from gateway.security.tls import client_credentials, client_options, server_credentials, server_options
from tests.contract.border_scene import ORDERS, PATIENCE_S, Parser, why
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates

NODE, COUNTER, WANG = "region/sichuan", "region/sichuan/operator/counter", "region/sichuan/staff/wang"
SUBMIT, SUBMIT_MANY = (f"/{ORDERS.full_name}/{name}" for name in ("SubmitOrder", "SubmitOrders"))
MINUTE = timedelta(minutes=1)


class Node:
    """A node's border before services that answer with nothing, and its clock."""

    def __init__(self, directory: Path) -> None:
        self.certificates = Certificates(directory)
        self.wang = self.certificates.credentials(WANG)  # each time another certificate
        self.revocations = Revocations(self.certificates.authority.certificate_pem, FEDERATION)
        self.denied: list[str] = []
        self.late = timedelta(0)
        self.parser = Parser()
        self.port = 0
        self.border: BorderInterceptor | None = None
        self.has_had_its_share = False

    def require_share(self, operator: str) -> None:
        if self.has_had_its_share:
            raise Refused(Reason.REASON_DAY_WORK_TOO_MUCH, operator=operator, count="8", most="7")

    def now(self) -> datetime:
        return NOW + self.late

    def believes(self, operator: str) -> bool:
        return operator == "believed"

    def client_id(self, operator: str) -> str:
        return operator

    def statement(self, operator: str = "counter") -> str:
        return statement_for(self.wang, operator, NOW, 5 * MINUTE)

    def dial(self, path: str = COUNTER, staff_proof: str = "") -> grpc.aio.Channel:
        credentials = client_credentials(self.certificates.credentials(path), NOW, staff_proof)
        member = parse(f"spiffe://{FEDERATION}/{NODE}", FEDERATION)
        options = client_options(server_name(member.role, member.region, FEDERATION))
        return grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options)

    def revoke_wang(self) -> None:
        pem = self.wang.certificate.read_bytes()
        serial = x509.load_pem_x509_certificate(pem).serial_number
        crl = self.certificates.authority.revocation_list([serial], 1, NOW)
        self.revocations.take(RevocationList(crl=crl.public_bytes(Encoding.DER)))


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Node]:
    node = Node(directory)

    async def denied(identity: Identity, method: str, refused: Refused) -> None:
        node.denied.append(reason_name(refused.reason))

    access = AccessRules([ORDERS], "sichuan", require_share=node.require_share)
    proofs = StaffProofs(parse(f"spiffe://{FEDERATION}/{NODE}", FEDERATION), node.revocations)
    staff = ActingStaff(proofs, access, node, node, {"OTP", "OTP_CONTACT"}, {"OTP"})
    tracing, calls = Tracing(NoOpTracer(), records=False), UnrecordedCalls()
    ports = BorderPorts(FEDERATION, access, tracing, calls, denied, node.revocations, staff=staff)
    node.border = BorderInterceptor(ports)
    server = grpc.aio.server(interceptors=[node.border], options=server_options())
    node.parser.service(ORDERS).add(server)
    shown = server_credentials(node.certificates.credentials(NODE), CLOCK)
    node.port = server.add_secure_port("127.0.0.1:0", shown)
    await server.start()
    try:
        yield node
    finally:
        await server.stop(None)


def order(staff_id: str = "") -> bytes:
    requester = Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER)
    return order_api.SubmitOrderRequest(order=OrderRequest(requester=requester)).SerializeToString()


async def outcome(channel: grpc.aio.Channel, *authorization: str, staff_id: str = "") -> str:
    """OK, or the reason of the refusal."""
    return await outcome_of(channel, order(staff_id), *authorization)


async def outcome_of(channel: grpc.aio.Channel, request: bytes, *authorization: str) -> str:
    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SUBMIT)
    metadata = tuple(("authorization", each) for each in authorization)
    try:
        await rpc(request, timeout=PATIENCE_S, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return why(error)
    return "OK"


def test_the_proof_of_a_call_is_one_bearer_token_and_the_request_says_the_proven_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node, node.dial() as channel:
            token = node.statement()
            for good in (f"Bearer {token}", f"bearer {token}"):
                assert await outcome(channel, good) == "OK"
            named = node.parser.parsed[-1]
            assert isinstance(named, order_api.SubmitOrderRequest)
            assert named.order.requester.staff_id == "wang"
            async with node.dial(staff_proof=token) as with_proof:
                assert await outcome(with_proof, staff_id="wang") == "OK"
                assert await outcome(with_proof, staff_id="li") == "STAFF_DIFFERS"
            bad = (
                [f"Bearer {token}", f"Bearer {token}"],
                [f"Bearer {token}", "Basic eDp5"],
                ["Basic eDp5"],
                ["Bearer"],
                ["Bearer "],
                [""],
                [f"Bearer {token}x"],
                [f"Bearer {node.statement('crm')}"],
                ["Bearer " + "x" * 7000],
            )
            parsed = len(node.parser.parsed)
            for each in bad:
                assert await outcome(channel, *each) == "STAFF_PROOF_INVALID", each
            assert len(node.parser.parsed) == parsed, "nothing of such a call is read"
            assert set(node.denied) == {"STAFF_DIFFERS", "STAFF_PROOF_INVALID"}
            node.late = 6 * MINUTE
            assert await outcome(channel, f"Bearer {token}") == "STAFF_PROOF_EXPIRED"

    asyncio.run(scenario())


def test_a_system_that_is_believed_names_whom_it_likes_until_it_sends_a_proof(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node, node.dial(f"{NODE}/operator/believed") as channel:
            assert await outcome(channel, staff_id="li") == "OK"
            token = node.statement("believed")
            assert await outcome(channel, f"Bearer {token}", staff_id="li") == "STAFF_DIFFERS"
            async with node.dial(f"{NODE}/operator/counter") as other:
                assert await outcome(other, f"Bearer {token}") == "STAFF_PROOF_INVALID"
                assert await outcome(other, staff_id="li") == "STAFF_NOT_PROVEN"
                for nobody in ("self-service", ""):
                    assert await outcome(other, staff_id=nobody) == "OK"
                    assert node.parser.parsed[-1].order.requester.staff_id == "self-service"  # type: ignore[attr-defined]

    asyncio.run(scenario())


@pytest.mark.parametrize(("said", "expected"), [("OTP", "OK"), ("OTP_CONTACT", "STAFF_NOT_PROVEN")])
def test_a_document_on_file_counts_without_staff_by_the_word_of_the_customer_and_not_of_a_contact(
    tmp_path: Path, said: str, expected: str
) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node, node.dial() as channel:
            documents = [Document(code=said), Document(code="ID_ORIG", document_id="sichuan/counter/R1")]
            request = order_api.SubmitOrderRequest(
                order=OrderRequest(requester=Requester(channel=Channel.CHANNEL_APP), documents=documents)
            )
            assert await outcome_of(channel, request.SerializeToString()) == expected

    asyncio.run(scenario())


def test_a_proof_ends_on_an_open_stream_by_its_time_and_by_revocation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node, node.dial(staff_proof=node.statement()) as channel:
            many: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SUBMIT_MANY)
            late, revoked = many(timeout=PATIENCE_S), many(timeout=PATIENCE_S)
            for each in (late, revoked):
                await each.write(order())
                await each.read()
            node.late = 6 * MINUTE
            assert await ended(late, order()) == "STAFF_PROOF_EXPIRED"
            node.late = timedelta(0)
            node.revoke_wang()
            assert await ended(revoked) == "STAFF_PROOF_INVALID"
            assert await outcome(channel) == "STAFF_PROOF_INVALID"

    asyncio.run(scenario())


def test_a_system_that_has_had_its_share_begins_no_call_and_those_that_are_open_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node, node.dial(staff_proof=node.statement()) as channel:
            many: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SUBMIT_MANY)
            stream = many(timeout=PATIENCE_S)
            await stream.write(order())
            await stream.read()
            node.has_had_its_share = True
            assert await outcome(channel) == "DAY_WORK_TOO_MUCH"
            assert node.border is not None
            node.border.end_unallowed()
            await stream.write(order())
            await stream.read()
            assert len(node.parser.parsed) == 2
            assert node.denied == []

    asyncio.run(scenario())


async def ended(stream: grpc.aio.StreamStreamCall[bytes, bytes], message: bytes | None = None) -> str:
    """Why a stream ends, perhaps by a message."""
    try:
        if message is not None:
            await stream.write(message)
        await stream.read()
    except grpc.aio.AioRpcError as error:
        return why(error)
    return (await stream.code()).name
