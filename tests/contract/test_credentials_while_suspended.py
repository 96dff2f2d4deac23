"""The credentials of a suspended region, which serves its own customers on: at a real coordinator and a real client."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.coordinator.v1.administration_pb2 import SuspendRegionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState, RevocationList
from gateway.rpc.channels import invoke
from gateway.security.authority import Authority
from region_node.node.membership.last_good import LastGood
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, RegionKeys, refused, run
from tests.contract.membership_node import eventually, node, running
from tests.contract.small_federation import HOUR, NOW
from tests.contract.test_renewal import now, scene


async def suspend(at: Federation, sichuan: RegionKeys) -> None:
    await at.join(sichuan)
    stub = MembershipServiceStub(at.as_(ADMIN))
    await invoke(stub.SuspendRegion, SuspendRegionRequest(region=sichuan.region, note="why"), PATIENCE_S)
    assert await refused(at.join(sichuan)) == "REGION_SUSPENDED"


async def publish(at: Federation, by: str, revoking: Authority, serial: int) -> RevocationList:
    """A list with one certificate of an authority or of an issuer, which a member has put in force."""
    crl = revoking.revocation_list([serial], 1, NOW).public_bytes(Encoding.DER)
    told = RevocationList(crl=crl)
    if revoking is not at.certificates.authority:
        told.issuer_certificate = revoking.certificate.public_bytes(Encoding.DER)
    stub = RevocationServiceStub(at.as_(by))
    await invoke(stub.PublishRevocationList, PublishRevocationListRequest(revocation_list=told), PATIENCE_S)
    return told


def test_a_suspended_region_renews_its_certificate_until_its_signing_certificate_is_revoked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            await suspend(at.running, at.sichuan)
            request = at.asked(ec.generate_private_key(ec.SECP256R1()))
            assert await at.renew(request) == b""
            assert (await at.issue()).code == 0
            assert await at.renew(request), "the program certifies it as that of any other region"
            signing = x509.load_pem_x509_certificate(at.sichuan.certificate)
            await publish(at.running, ADMIN, at.running.certificates.authority, signing.serial_number)
            again = at.asked(ec.generate_private_key(ec.SECP256R1()))
            assert await at.renew(again) == b""
            assert "it was revoked" in (await at.issue()).err
            assert await at.renew(again) == b""

    run(scenario())


def test_the_node_of_a_suspended_region_learns_what_its_region_revokes_and_keeps_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            coordinator, data = at.running, tmp_path / "node"
            data.mkdir()
            async with (
                node(coordinator.certificates, data, coordinator.endpoint) as under_test,
                running(under_test.client.follow()),
            ):
                await eventually(lambda: under_test.current.revision == 1)
                await suspend(coordinator, at.sichuan)
                suspended = MemberState.MEMBER_STATE_SUSPENDED
                await eventually(lambda: under_test.current.state().member_state("sichuan") == suspended)
                issuer = coordinator.certificates.authority.issue_issuer("sichuan", now() - HOUR, now() + HOUR)
                told = await publish(coordinator, "region/sichuan", issuer, 7)
                await eventually(lambda: list(under_test.border.keys.revocations.lists()) == [told])
                await eventually(lambda: told in kept(data))

    run(scenario())


def kept(data: Path) -> list[RevocationList]:
    """The lists that a restart begins with."""
    state = LastGood(data).load()
    return list(state.revocation_lists) if state is not None else []
