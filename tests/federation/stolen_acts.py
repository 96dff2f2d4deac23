"""What thieves with any kind of key try alike."""

from collections.abc import Sequence
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    ConfigurationServiceStub,
    MembershipServiceStub,
)
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.api.federation.v1.federation_pb2 import JoinRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.customer_service_pb2 import GetCustomerRequest
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResult, Envelope, EnvelopeContent
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.federation.suspensions import signed_suspension
from gateway.security.identity import parse
from gateway.security.renewal_proofs import proof_of_member, proven_request
from gateway.security.sealing import Route
from gateway.time.clock import to_timestamp
from tests.federation.certificates import FEDERATION
from tests.federation.counter import REQUESTER
from tests.federation.forger import key_of
from tests.federation.running import CALL_SECONDS
from tests.federation.stolen_keys import (
    DONE,
    Scene,
    envelope_outcome,
    outcome,
)
from tests.sealed_batches import SealedBatch
from tests.shipped import shipped_configuration

DENIED, INVALID, NO_RENEWAL = "PERMISSION_DENIED", "REQUEST_INVALID", "CERTIFICATE_REQUEST_INVALID"


def orders_of(scene: Scene, path: str, node: str = "guangdong") -> OrderServiceStub:
    """The order service of a node, for a member."""
    return OrderServiceStub(scene.federation.dial_node(node, path))


async def lists_orders(scene: Scene, path: str, node: str = "guangdong", number: str = "") -> str:
    """A list of orders."""
    request = order_api.ListOrdersRequest(number=number, requester=None if "/staff/" in path else REQUESTER)
    return await outcome(orders_of(scene, path, node).ListOrders(request, timeout=CALL_SECONDS))


async def reads_customer(scene: Scene, path: str, node: str, number: str) -> str:
    """The record of a customer, at the node of the home region."""
    customers = CustomerServiceStub(scene.federation.dial_node(node, path))
    request = GetCustomerRequest(number=number, requester=REQUESTER)
    return await outcome(customers.GetCustomer(request, timeout=CALL_SECONDS))


async def renews(scene: Scene, path: str, name: str) -> str:
    """A fresh key of the thief for a certificate of the member with this name, proven by the stolen key."""
    federation, identity = scene.federation, parse(f"spiffe://{FEDERATION}/{name}", FEDERATION)
    prove = proof_of_member(federation.certificates.credentials(path), federation.clock)
    request = proven_request(identity, 0, ec.generate_private_key(ec.SECP256R1()), prove, federation.clock.now())
    service = RenewalServiceStub(federation.dial_coordinator(path))
    return await outcome(service.RenewCertificate(request, timeout=CALL_SECONDS))


async def joins(scene: Scene, path: str, region: str) -> str:
    """A heartbeat with the signing certificate of a region, which everybody has, for the address of Henan's node."""
    federation = scene.federation
    request = JoinRequest(
        endpoint=federation.endpoint("henan"),
        signing_certificate=federation.certificates.signing(f"region/{region}").certificate.read_bytes(),
        node_time=to_timestamp(federation.clock.now()),
        federation_revision=1,
    )
    service = FederationServiceStub(federation.dial_coordinator(path))
    return await outcome(service.Join(request, timeout=CALL_SECONDS))


async def brings(scene: Scene, path: str, node: str) -> str:
    """An empty delivery to a node."""
    relay = RelayServiceStub(scene.federation.dial_node(node, path))
    return await outcome(relay.Deliver(DeliverRequest(destination=node), timeout=CALL_SECONDS))


async def carried(scene: Scene, path: str, envelope: Envelope, destination: str) -> str:
    """An envelope that a coordinator brings to a node."""
    relay = RelayServiceStub(scene.federation.dial_node(destination, path))
    route = Route(EnvelopeContent.FromString(envelope.content).origin, destination)
    batch = SealedBatch(route, key_of(scene.federation, destination), envelope)

    async def sent() -> DeliverResult:
        return batch.opened(await relay.Deliver(batch.request, timeout=CALL_SECONDS))[0]

    return await envelope_outcome(sent())


async def applies(scene: Scene, path: str, signers: Sequence[str] = ()) -> str:
    """A configuration that the thief has changed, with these signatures."""
    federation, wanted = scene.federation, shipped_configuration()
    wanted.regions[0].name.en = "stolen"
    held = await federation.administration.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS)
    signed = scene.people.signed(held.place, wanted, federation.clock.now(), signers)
    service = ConfigurationServiceStub(federation.dial_coordinator(path))
    request = admin_api.ApplyConfigurationRequest(signed=signed)
    return await outcome(service.ApplyConfiguration(request, timeout=CALL_SECONDS))


async def suspends(scene: Scene, path: str, signer: str) -> str:
    """A suspension of Henan. One that succeeds is ended by another administrator."""
    federation = scene.federation
    held = await federation.administration.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS)
    by, now, note = scene.people.signers[signer], federation.clock.now(), "stolen"
    signed = signed_suspension(by, held.place, "henan", now, suspended=True, note=note)
    request = admin_api.SuspendRegionRequest(region="henan", note=note, signed=signed)
    service = MembershipServiceStub(federation.dial_coordinator(path))
    told = await outcome(service.SuspendRegion(request, timeout=CALL_SECONDS))
    if told == DONE:
        await federation.reinstate("henan")
    return told


def issue(scene: Scene) -> IssueRequest:
    """An issue between regions."""
    due = to_timestamp(scene.federation.clock.now() + timedelta(days=7))
    return IssueRequest(subject="stolen", description="stolen", owner_region="sichuan", due_time=due)
