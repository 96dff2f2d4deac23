"""Answers that are not what they claim: an order goes by the word of its home region alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from gateway.api.federation.v1.federation_pb2 import JoinRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import (
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    EnvelopeContent,
    Outcome,
    Receipt,
)
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceServicer, add_RelayServiceServicer_to_server
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import Signer
from gateway.security.tls import server_credentials, server_options
from gateway.time.clock import to_timestamp
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.sealed_batches import Inlet

Forge = Callable[[Federation, Sealed], DeliverResult]


def completed(federation: Federation, sealed: Sealed, signer: str) -> Receipt:
    """A receipt that says the order is done, signed by a region."""
    order = OrderSubmission.FromString(sealed.content.payload).order
    order.version, order.state = 7, OrderState.ORDER_STATE_COMPLETED
    answer = Answer(Outcome.OUTCOME_ACCEPTED, result=order.SerializeToString())
    key = Signer.load(federation.certificates.signing(f"region/{signer}").key)
    return seal_receipt(sealed, answer, key, now=federation.clock.now(), revision=1)


def of_another_region(federation: Federation, sealed: Sealed) -> DeliverResult:
    """Signed by Henan."""
    return DeliverResult(receipt=completed(federation, sealed, "henan"))


def altered(federation: Federation, sealed: Sealed) -> DeliverResult:
    """Signed by Sichuan and changed afterwards."""
    receipt = completed(federation, sealed, "sichuan")
    receipt.content += b"\x28\x02"
    return DeliverResult(receipt=receipt)


def of_another_envelope(federation: Federation, sealed: Sealed) -> DeliverResult:
    """Signed by Sichuan, as the answer to other bytes."""
    other = Sealed(sealed.envelope.__class__(content=sealed.envelope.content + b"\0"), sealed.content)
    return DeliverResult(receipt=completed(federation, other, "sichuan"))


def nothing(federation: Federation, sealed: Sealed) -> DeliverResult:
    """Neither a receipt nor a reason."""
    return DeliverResult()


class Liar(RelayServiceServicer):
    """Holds Sichuan's TLS certificate and answers as a test tells it."""

    def __init__(self, federation: Federation, forge: Forge) -> None:
        self._federation = federation
        self._forge = forge
        self.answered = 0

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        keys = RegionKeys(KeySet.load(self._federation.certificates.keys("region/sichuan")))
        opened = Inlet(keys).open(request)
        self.answered += len(opened.batch.envelopes)
        sealed = [Sealed(each, EnvelopeContent.FromString(each.content)) for each in opened.batch.envelopes]
        return opened.answer([self._forge(self._federation, each) for each in sealed])


@asynccontextmanager
async def in_place_of_sichuan(federation: Federation, forge: Forge) -> AsyncIterator[Liar]:
    """Somebody who joined as Sichuan."""
    liar = Liar(federation, forge)
    server = grpc.aio.server(options=server_options())
    add_RelayServiceServicer_to_server(liar, server)
    credentials = server_credentials(federation.certificates.credentials("region/sichuan"), federation.clock)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    request = JoinRequest(
        endpoint=f"127.0.0.1:{port}",
        signing_certificate=federation.certificates.signing("region/sichuan").certificate.read_bytes(),
        federation_revision=1,
        node_time=to_timestamp(federation.clock.now()),
    )
    service = FederationServiceStub(federation.dial_coordinator("region/sichuan"))
    await service.Join(request, timeout=CALL_SECONDS)
    yield liar
    request.leaving = True
    await service.Join(request, timeout=CALL_SECONDS)
    await server.stop(None)


@pytest.mark.parametrize("forge", [of_another_region, altered, of_another_envelope, nothing])
async def test_a_receipt_that_is_not_the_home_regions_answer_settles_nothing(
    databases: Databases, tmp_path: Path, forge: Forge
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        await federation.stop_node("sichuan")
        async with in_place_of_sichuan(federation, forge) as liar:
            order = await guangdong.submit(guangdong.request("PAY", number), wait=0)

            async def was_offered_again() -> bool:
                return liar.answered > 1

            await until(was_offered_again, "the envelope is offered again")
            assert await guangdong.get(order.id) == order
        await federation.start_node("sichuan")
        done = await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
        assert done.version == 1
        assert await sichuan.balance(number) == 5000
