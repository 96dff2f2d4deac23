"""A server whose certificate is revoked is called no more by its clients, until it shows another one."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from coordinator.membership.witnesses import REGISTRY, Witnesses
from coordinator.registry.port import Replica as Coordinator
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverRequest, DeliverResponse
from gateway.api.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unreachable
from gateway.relay.lanes import LanePorts, Lanes
from gateway.relay.transport import BeforeAttempt
from gateway.rpc.channels import Dialer, Replica, Replicas, health_of, invoke
from gateway.security.authority import CertificateSet
from gateway.security.identity import server_name
from gateway.security.revocations import Revocations
from tests.contract.lane_scene import NoWaiting, Way, sealed, until
from tests.contract.membership_node import PATIENCE_S
from tests.contract.small_federation import CLOCK, FEDERATION, HOUR, LIFE, NOW, Certificates
from tests.contract.test_membership_client import certificates_of_a_federation

__all__ = ("certificates_of_a_federation",)


class Holding(RelayServiceServicer):
    """Refuses the first delivery, and answers no other one."""

    def __init__(self) -> None:
        self.deliveries = 0

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        self.deliveries += 1
        if self.deliveries == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        await asyncio.Event().wait()
        return DeliverResponse()


class ThroughReplicas(Way):
    """The way of a lane that delivers to replicas."""

    replicas: Replicas

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        await self.replicas.call(delivers, timeout)
        return BatchAnswer()


@asynccontextmanager
async def served(
    issued: CertificateSet, port: int = 0, relay: RelayServiceServicer | None = None
) -> AsyncIterator[int]:
    """The port of a server with this certificate, whose health can be asked and watched, and that of its registry."""
    server, told = grpc.aio.server(options=[("grpc.so_reuseport", 0)]), health.aio.HealthServicer()
    await told.set(REGISTRY, HealthCheckResponse.SERVING)
    add_HealthServicer_to_server(told, server)
    if relay is not None:
        add_RelayServiceServicer_to_server(relay, server)
    keys = [(issued.tls.key_pem, issued.tls.certificate_pem)]
    found = server.add_secure_port(
        f"127.0.0.1:{port}", grpc.ssl_server_credentials(keys, issued.authority_pem, require_client_auth=True)
    )
    await server.start()
    try:
        yield found
    finally:
        await server.stop(0)


def revoking(certificates: Certificates, *revoked: CertificateSet) -> Revocations:
    """What a client knows that has the authority's list."""
    found = Revocations(certificates.authority.certificate_pem, FEDERATION)
    serials = [each.tls.certificate.serial_number for each in revoked]
    crl = certificates.authority.revocation_list(serials, 1, NOW).public_bytes(Encoding.DER)
    found.take(RevocationList(crl=crl))
    return found


async def answers(replica: Replica, seconds: float) -> str:
    await health_of(replica.channel, "", seconds)
    return replica.endpoint


async def delivers(replica: Replica, seconds: float) -> DeliverResponse:
    return await invoke(RelayServiceStub(replica.channel).Deliver, DeliverRequest(), seconds)


def test_a_server_with_a_revoked_certificate_is_not_called_and_its_open_streams_end_until_it_shows_another_one(
    certificates: Certificates,
) -> None:
    async def story() -> None:
        stolen, sound, renewed = (certificates.issue(f"coordinator/{each}") for each in (0, 1, 0))
        dialer = Dialer(certificates.credentials("admin/root"), CLOCK)
        replicas = Replicas(dialer, server_name(Role.ROLE_COORDINATOR, "", FEDERATION), random.Random(1))
        revocations = revoking(certificates, stolen)

        async def follow(replica: Replica) -> None:
            watch: grpc.aio.UnaryStreamMultiCallable[HealthCheckRequest, HealthCheckResponse]
            watch = replica.channel.unary_stream(
                "/grpc.health.v1.Health/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
            )
            call = watch(HealthCheckRequest())
            with replicas.while_trusted(replica, call):
                async for _ in call:
                    following.set()

        following = asyncio.Event()
        async with asyncio.timeout(PATIENCE_S), served(sound) as other:
            async with served(stolen) as port:
                false, good = (f"127.0.0.1:{each}" for each in (port, other))
                replicas.update([false])
                assert await replicas.call(answers, PATIENCE_S) == false
                task = asyncio.create_task(follow(replicas.pick()))
                await following.wait()
                await dialer.revoked.look(Revocations(certificates.authority.certificate_pem, FEDERATION))
                assert not dialer.revoked.endpoints, "nobody has revoked anything"
                await dialer.revoked.look(revocations)
                assert dialer.revoked.endpoints == {false}
                with pytest.raises(Unreachable, match="revoked"):
                    await task
                with pytest.raises(Unreachable, match="revoked"):
                    await replicas.call(answers, PATIENCE_S)
                replicas.update([false, good])
                for _ in range(4):
                    assert await replicas.call(answers, PATIENCE_S) == good

            await dialer.revoked.look(revocations)
            assert dialer.revoked.endpoints == {false}, "a server that is gone has shown nothing else"
            async with served(renewed, port):
                replicas.update([false])
                while dialer.revoked.endpoints:
                    await dialer.revoked.look(revocations)
                    await asyncio.sleep(0.01)
                assert await replicas.call(answers, PATIENCE_S) == false
        await replicas.close()

    asyncio.run(story())


def test_calls_in_flight_to_a_server_that_is_revoked_end_unanswered_and_those_who_made_them_go_on(
    certificates: Certificates,
) -> None:
    async def story() -> None:
        stolen, relay, way = certificates.issue("coordinator/0"), Holding(), ThroughReplicas()
        dialer = Dialer(certificates.credentials("admin/root"), CLOCK)
        way.replicas = Replicas(dialer, server_name(Role.ROLE_COORDINATOR, "", FEDERATION), random.Random(1))
        lanes = Lanes(LanePorts("guangdong", way, way.settle, CLOCK, NoWaiting()))
        async with asyncio.timeout(PATIENCE_S), served(stolen, relay=relay) as port:
            way.replicas.update([f"127.0.0.1:{port}"])
            lane = lanes.to("sichuan")
            lane.add(sealed("1"))
            await until(lambda: relay.deliveries == 2)
            assert lane.counts.probes == 1, "the lane probes, and has no answer yet"
            (former,) = way.replicas.in_turn()
            task = asyncio.create_task(delivers(former, PATIENCE_S))
            await until(lambda: relay.deliveries == 3)
            await dialer.revoked.look(revoking(certificates, stolen))
            with pytest.raises(Unreachable, match="closed"):
                await task
            with pytest.raises(Unreachable, match="closed"):
                await delivers(former, PATIENCE_S)
            assert await former.lives(), "nobody can tell"
            await until(lambda: lane.counts.probes > 1)
        await lanes.close()
        await way.replicas.close()

    asyncio.run(story())


def test_the_word_of_a_coordinator_with_a_revoked_certificate_on_the_registry_does_not_count(
    certificates: Certificates,
) -> None:
    async def story() -> None:
        stolen, sound, renewed = (certificates.issue(f"coordinator/{each}") for each in (0, 1, 0))
        dialer = Dialer(certificates.credentials("coordinator/2"), CLOCK)
        witnesses = Witnesses(dialer, FEDERATION, revoking(certificates, stolen))
        async with asyncio.timeout(PATIENCE_S), served(sound) as other:
            good = Coordinator("coordinator/1", f"127.0.0.1:{other}", 0)
            async with served(stolen) as port:
                false = Coordinator("coordinator/0", f"127.0.0.1:{port}", 0)
                assert not await witnesses.say_it_answers([false])
                assert await witnesses.say_it_answers([false, good])
            assert not await witnesses.say_it_answers([false])
            async with served(renewed, port):
                assert await witnesses.say_it_answers([false]), "it has shown another certificate"

    asyncio.run(story())


def test_the_issuer_of_a_region_revokes_no_server(certificates: Certificates) -> None:
    region = certificates.authority.issue_issuer("henan", NOW - HOUR, NOW + LIFE)
    server = certificates.issue("coordinator/0").tls.certificate
    found = Revocations(certificates.authority.certificate_pem, FEDERATION)
    crl = region.revocation_list([server.serial_number], 1, NOW).public_bytes(Encoding.DER)
    issuer = region.certificate.public_bytes(Encoding.DER)
    found.take(RevocationList(crl=crl, issuer_certificate=issuer))
    assert not found.names(server)
