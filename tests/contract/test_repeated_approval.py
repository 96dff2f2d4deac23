"""`coordinator enrolments approve` once more: after a try that broke off, and after one that was complete."""

from pathlib import Path

import pytest
from cryptography import x509

from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment, ListEnrolmentsRequest
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.rpc.channels import invoke
from gateway.security.enrolling import RequestedKeys
from gateway.security.identity import parse
from gateway.security.issuing import IssuerDirectory
from tests.contract.coordinators import ADMIN, PATIENCE_S, run
from tests.contract.enrolling import Scene, fingerprint_in, scene
from tests.contract.small_federation import CLOCK, FEDERATION, HOUR

WARNING = "has certificates in force already"


async def enrolment(at: Scene) -> Enrolment:
    """An enrolment as the coordinator has it."""
    stub = EnrolmentServiceStub(at.running.as_(ADMIN))
    request = ListEnrolmentsRequest(enrolment_id=await at.id())
    (found,) = (await invoke(stub.ListEnrolments, request, PATIENCE_S)).enrolments
    return found


async def publish(at: Scene, told: RevocationList) -> None:
    """Puts a revocation list in force."""
    stub = RevocationServiceStub(at.running.as_(ADMIN))
    await invoke(stub.PublishRevocationList, PublishRevocationListRequest(revocation_list=told), PATIENCE_S)


def serials(issuer: IssuerDirectory) -> list[int]:
    return [each.serial for each in issuer.issued()]


@pytest.mark.slow  # commands
def test_an_approval_after_one_that_broke_off_warns_of_no_certificate_of_its_own_keys(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            fingerprint = fingerprint_in(await at.join(await at.invited()))
            issuer, waiting = IssuerDirectory(tmp_path / "authority"), await enrolment(at)
            node = parse(f"spiffe://{FEDERATION}/region/hunan", FEDERATION)
            keys = RequestedKeys.of(waiting.tls_request, waiting.signing_request, node)
            for each in issuer.certify(node, keys, CLOCK.now(), HOUR):
                issuer.keep(each)  # all that a try leaves behind whose call failed
            approved = await at.approve("wang", fingerprint)
            assert (approved.code, WARNING in approved.err, await at.state()) == (0, False, "APPROVED"), approved.err

    run(scenario())


@pytest.mark.slow  # commands
def test_an_approval_that_is_complete_is_repeated_with_its_own_words_alone_and_certifies_nothing(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            fingerprint = fingerprint_in(await at.join(await at.invited()))
            assert (await at.approve("wang", fingerprint)).code == 0
            issuer, first = IssuerDirectory(tmp_path / "authority"), await enrolment(at)
            made = serials(issuer)
            again = await at.approve("wang", fingerprint, typed="n")
            assert (again.code, WARNING in again.err) == (0, False), again.err
            assert "approved already, by admin/wang" in again.out, again.out
            assert "Its certificate for TLS: in force" in again.out, again.out
            told = await at.approve("wang", fingerprint, "--json")
            assert first.id in told.out
            other = await at.approve("wang", fingerprint.replace(fingerprint[0], "0" if fingerprint[0] != "0" else "1"))
            assert (other.code, "ENROLMENT_NOT_WAITING" in other.err) == (1, True), other.err
            assert (serials(issuer), await enrolment(at)) == (made, first)
            tls = x509.load_pem_x509_certificate(first.tls_certificate)
            await publish(at, issuer.revoke([tls.serial_number], CLOCK.now()))
            again = await at.approve("wang", fingerprint)
            assert (again.code, "Its certificate for TLS: revoked" in again.out) == (0, True), again.out

    run(scenario())


@pytest.mark.slow  # commands
def test_a_takeover_is_warned_of_until_the_federation_has_revoked_what_the_region_had(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            assert (await at.approve("wang", fingerprint_in(await at.join(await at.invited(), "lost")))).code == 0
            further = fingerprint_in(await at.join(await at.invited(), "further"))
            issuer = IssuerDirectory(tmp_path / "authority")
            signed = issuer.revoke(serials(issuer), CLOCK.now())
            for is_published in (False, True):
                if is_published:
                    await publish(at, signed)
                    issuer.list_file.unlink()  # the list of the federation counts, wherever it was signed
                declined = await at.approve("wang", further, typed="n")
                assert (declined.code, WARNING in declined.err) == (1, not is_published), declined.err

    run(scenario())
