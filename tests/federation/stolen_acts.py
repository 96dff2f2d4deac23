"""What thieves with any kind of key try alike."""

import shutil
from collections.abc import Sequence
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    ConfigurationServiceStub,
    MembershipServiceStub,
)
from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest
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
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.suspensions import signed_suspension
from gateway.rpc.channels import health_of
from gateway.security.authority import TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import parse
from gateway.security.member_proofs import proof_of_member
from gateway.security.renewal_proofs import proof_of_region, proven_request
from gateway.security.sealing import Route
from gateway.security.signing import RENEWAL, Signer
from gateway.time.clock import to_timestamp
from tests.federation.certificates import FEDERATION
from tests.federation.counter import REQUESTER
from tests.federation.forger import key_of
from tests.federation.running import CALL_SECONDS, until
from tests.federation.stolen_keys import (
    DONE,
    Scene,
    envelope_outcome,
    outcome,
    uri_of,
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


def renewal(scene: Scene, path: str, name: str, key: ec.EllipticCurvePrivateKey) -> RenewCertificateRequest:
    """A request for a certificate of the member with this name, proven by the stolen keys."""
    federation, identity = scene.federation, parse(uri_of(name), FEDERATION)
    prove = proof_of_member(federation.certificates.credentials(path), federation.clock, RENEWAL)
    if identity.role == Role.ROLE_REGION:
        files = federation.certificates.signing(path)
        prove = proof_of_region(Signer.load(files.key), files.certificate.read_bytes())
    return proven_request(identity, 0, key, prove, federation.clock.now())


async def renews(scene: Scene, path: str, name: str) -> str:
    """A fresh key of the thief for a certificate of the member with this name, proven by the stolen key."""
    request = renewal(scene, path, name, ec.generate_private_key(ec.SECP256R1()))
    service = RenewalServiceStub(scene.federation.dial_coordinator(path))
    return await outcome(service.RenewCertificate(request, timeout=CALL_SECONDS))


async def works_renewed(scene: Scene, path: str) -> str:
    """A call by a certificate that the issuing program makes for a fresh key of the thief."""
    federation, name = scene.federation, f"{path}/renewed"
    files = federation.certificates.credentials(path).certificate.parent
    own = files.with_name(name.replace("/", "_"))
    if not own.exists():
        key, certificate = ec.generate_private_key(ec.SECP256R1()), list[bytes]()
        request = renewal(scene, path, path, key)
        service = RenewalServiceStub(federation.dial_coordinator(path))

        async def is_issued() -> bool:
            told = await service.RenewCertificate(request, timeout=CALL_SECONDS)
            certificate[:] = [told.tls_certificate] if told.tls_certificate else []
            return bool(certificate)

        await until(is_issued, f"the thief has another certificate of {path}")
        shutil.copytree(files, own)
        (own / TLS_CERTIFICATE).write_bytes(certificate[0])
        (own / TLS_KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return await outcome(health_of(federation.dial_coordinator(name), "", CALL_SECONDS))


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
