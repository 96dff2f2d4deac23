"""Renewals at a real coordinator: whose statements it takes, what it publishes, and the program that issues.

It renews its own certificate, too, and administrators renew theirs by a command.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.local.process import wait_until
from gateway.api.coordinator.v1.renewal_service_pb2 import (
    IssueCertificateRequest,
    ListRenewalsRequest,
    Renewal,
    RenewalStatement,
    RenewCertificateRequest,
)
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import RevocationList, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, reason_name
from gateway.rpc.channels import Dialer, invoke
from gateway.security import certificate_renewal
from gateway.security.authority import Authority, CertificateSet
from gateway.security.enrolling import RequestedRenewal, certificate_request
from gateway.security.identity import parse, server_name
from gateway.security.issuers import COORDINATORS, NODES
from gateway.security.issuing import IssuerDirectory
from gateway.security.member_proofs import proof_of_member
from gateway.security.renewal_proofs import proven_request
from gateway.security.signing import RENEWAL
from gateway.security.tls import Credentials, CredentialsUnusable, RenewedCredentials
from gateway.time.clock import to_timestamp
from gateway.values import base64url
from tests import preloaded
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, RegionKeys, federation, keys_of, run
from tests.contract.programs import REGION_NODE, Installation
from tests.contract.small_federation import CLOCK, FEDERATION, HOUR, Certificates
from tests.preloaded import Ended

MINUTES = timedelta(minutes=30)
LOOK = 0.1  # seconds between two looks for what the coordinator does


@pytest.fixture(scope="module", autouse=True)
def _programs_are_loaded() -> None:
    """Imports the modules of commands before the time of a scenario begins."""
    preloaded.run("coordinator.cli.main", "--version", environment={})


def now() -> datetime:
    """The time: half an hour after its beginning a run of the tests may be at these."""
    return datetime.now(UTC)


@dataclass
class Scene:
    """A coordinator, the keys of Sichuan, and the directory of the issuer of nodes."""

    running: Federation
    sichuan: RegionKeys
    issuer: Path

    def asked(
        self, key: ec.EllipticCurvePrivateKey, process: int = 0, region: str = "sichuan", late: timedelta = timedelta(0)
    ) -> RenewCertificateRequest:
        identity = parse(f"spiffe://{FEDERATION}/region/{region}", FEDERATION)
        statement = RenewalStatement(
            region=region,
            process=process,
            tls_request=certificate_request(key, identity),
            request_time=to_timestamp(now() + late),
        ).SerializeToString()
        signature = self.sichuan.signer.sign(RENEWAL, statement)
        return RenewCertificateRequest(
            statement=statement, signing_certificate=self.sichuan.certificate, signature=signature
        )

    async def renew(self, request: RenewCertificateRequest, by: str = "region/sichuan") -> bytes:
        stub = RenewalServiceStub(self.running.as_(by))
        return (await invoke(stub.RenewCertificate, request, PATIENCE_S)).tls_certificate

    async def waiting(self) -> list[Renewal]:
        stub = RenewalServiceStub(self.running.as_(ADMIN))
        return list((await invoke(stub.ListRenewals, ListRenewalsRequest(), PATIENCE_S)).renewals)

    async def publish(self, renewal: Renewal, certificate: bytes) -> None:
        asked = IssueCertificateRequest(renewal_id=renewal.id, statement=renewal.statement, tls_certificate=certificate)
        await invoke(RenewalServiceStub(self.running.as_(ADMIN)).IssueCertificate, asked, PATIENCE_S)

    async def issue(self, own: Credentials | None = None) -> Ended:
        """Runs the issuing program once, by other files than new ones where they are given."""
        own = own or self.running.certificates.credentials(ADMIN)
        return await self.command(own, "enrolments", "renew", str(self.issuer), "--hours", "0.5", "--once")

    async def command(self, own: Credentials, *words: str) -> Ended:
        """Runs a command of an administrator."""
        environment = {
            "CROSSREGION_COORDINATOR": self.running.endpoint,
            "CROSSREGION_CREDENTIALS": str(own.certificate.parent),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": "en",
        }
        return await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, environment=environment)

    def shown(self, own: Credentials) -> int:
        """The serial number of the certificate that the coordinator shows to a new connection with these files."""
        context = ssl.create_default_context(cafile=own.authority)
        context.load_cert_chain(own.certificate, own.key)
        address, name = ("127.0.0.1", self.running.coordinator.port), server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        with (
            socket.create_connection(address, PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            certificate = secured.getpeercert(binary_form=True)
        assert certificate is not None
        return x509.load_der_x509_certificate(certificate).serial_number


class DueCertificates(Certificates):
    """A coordinator and administrators whose certificates have lived for two thirds of their lives and more."""

    def issue(self, path: str, by: Authority | None = None) -> CertificateSet:
        if path.startswith("region/"):
            return super().issue(path, by)
        identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
        return (by or self.authority).issue(identity, now() - HOUR, now() + HOUR / 4)


@asynccontextmanager
async def scene(
    tmp_path: Path, of: str = NODES, certificates_of: type[Certificates] = Certificates
) -> AsyncIterator[Scene]:
    certificates = certificates_of(tmp_path / "certificates")
    certificates.authority.issue_renewing_issuer(of, now() - HOUR, now() + HOUR).save(tmp_path / "issuer")
    async with federation(certificates, tmp_path / "data") as running:
        await running.apply()
        yield Scene(running, keys_of(certificates, "sichuan"), tmp_path / "issuer")


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await call
    return reason_name(refused.value.reason)


def test_a_region_renews_by_its_signature_and_gets_the_same_answer_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            key = ec.generate_private_key(ec.SECP256R1())
            request = at.asked(key)
            assert await at.renew(request) == b""
            assert await at.renew(request) == b"", "it waits, and asks again"
            ended = await at.issue()
            assert (ended.code, "sichuan-0" in ended.out) == (0, True), ended.err
            certificate = await at.renew(request)
            RequestedRenewal.parse(request.statement, FEDERATION).require_certified(
                certificate, [at.running.certificates.authority.certificate]
            )
            later = at.asked(key, late=timedelta(minutes=1))
            assert await at.renew(later) == certificate, "after a lost answer, by the same key"
            assert await at.waiting() == []
            assert await at.renew(at.asked(ec.generate_private_key(ec.SECP256R1()))) == b"", "another key begins anew"
            at.running.certificates.authority.issue_issuer("sichuan", now() - HOUR, now() + HOUR).save(
                tmp_path / "other"
            )
            at.issuer = tmp_path / "other"
            told = await at.issue()
            assert (told.code, "another issuer" in told.err) == (1, True), told.err
            actions = [row.action for row in at.running.audit_rows()]
            assert actions.count("CERTIFICATE_RENEWED") == 1

    run(scenario())


def test_what_the_region_has_not_signed_for_this_connection_now_is_no_renewal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            key = ec.generate_private_key(ec.SECP256R1())
            altered = at.asked(key)
            altered.signature = bytes(64)
            henan = keys_of(at.running.certificates, "henan")
            foreign = at.asked(key)
            foreign.signing_certificate = henan.certificate
            wrong = (altered, foreign, at.asked(key, region="henan"), at.asked(key, late=-2 * HOUR))
            for request in wrong:
                assert await reason(at.renew(request)) == "CERTIFICATE_REQUEST_INVALID"
            assert await reason(at.renew(at.asked(key), by="region/henan")) == "CERTIFICATE_REQUEST_INVALID"
            assert await at.waiting() == []

    run(scenario())


def test_an_issuer_of_something_else_and_a_certificate_for_another_key_are_not_published(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            authority = at.running.certificates.authority
            await at.renew(at.asked(ec.generate_private_key(ec.SECP256R1())))
            (renewal,) = await at.waiting()
            other = RequestedRenewal.parse(at.asked(ec.generate_private_key(ec.SECP256R1())).statement, FEDERATION)
            stranger = Authority.create(FEDERATION, now() - HOUR, now() + HOUR)
            stranger.issue_renewing_issuer(NODES, now() - HOUR, now() + HOUR).save(tmp_path / "strange")
            asked = RequestedRenewal.parse(renewal.statement, FEDERATION)
            by_authority = authority.certify_tls(asked.identity, asked.key, now(), now() + MINUTES)
            issuer, strange = IssuerDirectory(at.issuer), IssuerDirectory(tmp_path / "strange")
            for unfit in (
                issuer.renew(other, now(), MINUTES),
                strange.renew(asked, now(), MINUTES),
                by_authority.public_bytes(Encoding.PEM),
                b"x",
            ):
                assert await reason(at.publish(renewal, unfit)) == "CERTIFICATE_UNFIT"
            former = Renewal(id=renewal.id, statement=at.asked(ec.generate_private_key(ec.SECP256R1())).statement)
            fitting = issuer.renew(asked, now(), MINUTES)
            assert await reason(at.publish(former, fitting)) == "ENROLMENT_NOT_FOUND"
            await at.publish(renewal, fitting)
            await at.publish(renewal, issuer.renew(asked, now(), MINUTES))
            assert await at.waiting() == []

    run(scenario())


def test_a_region_that_floods_renewals_hides_no_other_region(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            key = ec.generate_private_key(ec.SECP256R1())
            for process in range(64):
                await at.renew(at.asked(key, process))
            assert await reason(at.renew(at.asked(ec.generate_private_key(ec.SECP256R1())))) == "ENROLMENTS_TOO_MANY"
            at.sichuan = keys_of(at.running.certificates, "zhejiang")
            await at.renew(at.asked(key, region="zhejiang"), by="region/zhejiang")
            assert [each.id for each in await at.waiting()][:2] == ["sichuan-0", "zhejiang-0"]

    run(scenario())


def test_a_coordinator_renews_its_certificate_while_it_serves_and_no_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_renewal, "LONGEST_PAUSE", 0.5)
    monkeypatch.setattr(certificate_renewal, "SHORTEST_PAUSE", 0.05)

    async def scenario() -> None:
        async with scene(tmp_path, COORDINATORS, DueCertificates) as at:
            own = at.running.certificates.credentials("admin/li")
            before, renewed = await asyncio.to_thread(at.shown, own), at.running.data / "renewed" / "tls.crt"
            open_stream = at.running.watch("sichuan")
            await open_stream.read()
            while [each.id for each in await at.waiting()] != ["coordinator/0"]:  # noqa: ASYNC110 - as below
                await asyncio.sleep(LOOK)
            ended = await at.issue()
            assert (ended.code, "coordinator/0 has a new certificate\n" in ended.out) == (0, True), ended
            while not renewed.exists():  # noqa: ASYNC110 - it waits for what the coordinator does
                await asyncio.sleep(LOOK)
            number = x509.load_pem_x509_certificate(renewed.read_bytes()).serial_number
            assert await asyncio.to_thread(at.shown, own) == number != before
            assert "coordinator/0" not in [each.id for each in await at.waiting()], "it is not due again"
            assert not open_stream.done()
            rows = [row.subject for row in at.running.audit_rows() if row.action == "CERTIFICATE_RENEWED"]
            assert rows.count("renewal/coordinator/0") == 1

    run(scenario())


def test_an_administrator_renews_by_a_command_with_a_fresh_key_and_the_same_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, COORDINATORS) as at:
            own = at.running.certificates.credentials("admin/li")
            before, names = own.key.read_bytes(), own.names()
            early = await at.command(own, "administrators", "renew", "--wait", "0")
            assert (early.code, "no issuing program has answered yet" in early.err) == (3, True), early
            assert own.key.read_bytes() == before
            assert "admin/li" in (await at.issue()).out
            done = await at.command(own, "administrators", "renew")
            assert (done.code, "admin/li has a new certificate" in done.out) == (0, True), done
            assert own.key.read_bytes() != before
            assert own.names() == names
            assert own.key.stat().st_mode & 0o777 == 0o600
            assert {each.name for each in own.key.parent.glob("tls*")} == {"tls.crt", "tls.key", "tls.key.lock"}
            assert (await at.command(own, "regions", "list")).code == 0, "it counts"
            node = at.running.certificates.credentials("region/sichuan")
            other = await at.command(node, "administrators", "renew")
            assert (other.code, "region/sichuan is no administrator" in other.err) == (1, True), other

    run(scenario())


def test_the_issuing_program_renews_the_certificate_by_which_it_connects_and_outlives_the_issued_one(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, COORDINATORS, DueCertificates) as at:
            certificates = at.running.certificates
            own, renewed = certificates.credentials(ADMIN), at.issuer / "renewed"
            before = own.certificate.read_bytes(), own.key.read_bytes()
            asked = await at.issue(own)
            assert (asked.code, f"{ADMIN} has a new certificate" in asked.out) == (0, True), asked
            assert (await at.issue(own)).code == 0
            assert {each.name for each in renewed.iterdir()} == {"tls.crt", "tls.key", "tls.key.lock"}
            assert (own.certificate.read_bytes(), own.key.read_bytes()) == before
            ended = certificates.authority.issue(parse(own.names()[0], FEDERATION), now() - HOUR / 2, now() - HOUR / 4)
            ended.write(own.certificate.parent)
            assert (await at.command(own, "regions", "list")).code == 1
            last = await at.issue(own)
            assert (last.code, last.err) == (0, "")

    run(scenario())


def test_an_issuing_program_of_another_version_may_make_another_id_of_a_statement(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            request = at.asked(ec.generate_private_key(ec.SECP256R1()), process=1)
            await at.renew(request)
            asked = RequestedRenewal.parse(request.statement, FEDERATION)
            certificate = IssuerDirectory(at.issuer).renew(asked, now(), MINUTES)
            await at.publish(Renewal(id="sichuan", statement=request.statement), certificate)
            assert await at.renew(request) == certificate

    run(scenario())


def test_what_a_member_has_not_signed_by_its_own_certificate_in_force_is_no_renewal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, COORDINATORS) as at:
            li, wang, zhejiang = (
                at.running.certificates.credentials(each) for each in ("admin/li", "admin/wang", "region/zhejiang")
            )

            def asked(path: str, by: Credentials, late: timedelta = timedelta(0)) -> RenewCertificateRequest:
                identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
                key = ec.generate_private_key(ec.SECP256R1())
                return proven_request(identity, 0, key, proof_of_member(by, CLOCK, RENEWAL), now() + late)

            altered = asked("admin/li", li)
            altered.signature = asked("admin/li", li).signature
            for wrong in (
                altered,
                asked("admin/li", wang),
                asked("admin/wang", wang),
                asked("coordinator/0", li),
                asked("admin/li", zhejiang),
                asked("admin/li", li, -2 * HOUR),
            ):
                assert await reason(at.renew(wrong, by="admin/li")) == "CERTIFICATE_REQUEST_INVALID"
            assert await at.waiting() == []
            await at.renew(asked("admin/li", li), by="admin/li")
            stolen = x509.load_pem_x509_certificate(li.certificate.read_bytes()).serial_number
            crl = at.running.certificates.authority.revocation_list([stolen], 1, now())
            lists = RevocationServiceStub(at.running.as_(ADMIN))
            revoked = RevocationList(crl=crl.public_bytes(Encoding.DER))
            request = PublishRevocationListRequest(revocation_list=revoked)
            await invoke(lists.PublishRevocationList, request, PATIENCE_S)
            ended = await at.issue()
            assert "admin/li gets no certificate: CERTIFICATE_REVOKED" in ended.err, ended
            assert [each.id for each in await at.waiting()] == ["admin/li"]

    run(scenario())


@dataclass
class Returning:
    """A node of Sichuan whose certificate for TLS has ended, and its commands."""

    at: Scene
    directory: Path

    def __post_init__(self) -> None:
        issued = self.at.running.certificates.authority.issue(
            parse(f"spiffe://{FEDERATION}/region/sichuan", FEDERATION),
            now() - HOUR,
            now() + HOUR,
            tls_until=now() - MINUTES,
        )
        issued.write(self.directory)
        assert issued.signing is not None
        self.signing_serial = issued.signing.certificate.serial_number

    @property
    def credentials(self) -> Credentials:
        return RenewedCredentials.of(Credentials.within(self.directory), self.directory / "data" / "renewed")

    async def command(self, *words: str, **settings: str) -> Ended:
        """Runs `region-node certificate`."""
        own, signing = Credentials.within(self.directory), self.directory / "signing.crt"
        all_settings = {
            "federation": FEDERATION,
            "region": "sichuan",
            "listen": "127.0.0.1:0",
            "data": str(self.directory / "data"),
            "coordinators": self.at.running.endpoint,
            "allow_unsigned_configuration": "true",
            "allow_unscoped_operators": "true",
            "keys": str(self.directory / "region.keys"),
            "credentials.authority": str(own.authority),
            "credentials.certificate": str(own.certificate),
            "credentials.key": str(own.key),
            "signing.certificate": str(signing),
            "signing.key": str(signing.with_suffix(".key")),
            **settings,
        }
        flags = (word for key, text in all_settings.items() for word in ("--set", f"{key}={text}"))
        environment = {"CROSSREGION_LANG": "en"}
        return await asyncio.to_thread(
            preloaded.run, "region_node.cli.main", "certificate", *words, *flags, environment=environment
        )

    async def requested(self) -> str:
        """The request, as people bring it."""
        ended = await self.command("request")
        assert ended.code == 0, ended.err
        return ended.out.strip()

    async def certified(self, text: str) -> Ended:
        """Runs the command of the administrator."""
        (self.directory / "request.txt").write_text(text)
        own = self.at.running.certificates.credentials(ADMIN)
        words = ("enrolments", "certify", str(self.at.issuer), str(self.directory / "request.txt"), "--hours", "0.5")
        return await self.at.command(own, *words)

    async def installed(self, certificate: str) -> Ended:
        """Runs the command that ends it."""
        (self.directory / "certificate.pem").write_text(certificate)
        return await self.command("install", str(self.directory / "certificate.pem"))


def test_a_node_whose_certificate_has_ended_comes_back_by_the_signature_of_its_region(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            node = Returning(at, tmp_path / "node")
            with pytest.raises(CredentialsUnusable):
                node.credentials.load(now())
            request = await node.requested()
            early = await node.installed("x")
            assert (early.code, "cannot be used" in early.err) == (1, True), early
            certified = await node.certified(request)
            assert (certified.code, certified.err) == (0, "sichuan-0 has a new certificate\n"), certified
            installed = await node.installed(certified.out)
            assert (installed.code, "region/sichuan has a new certificate" in installed.out) == (0, True), installed
            name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
            async with Dialer(node.credentials, CLOCK).dial(at.running.endpoint, name) as channel:
                watch = FederationServiceStub(channel).Watch(WatchRequest())
                assert await watch.read() is not grpc.aio.EOF, "it is a member again"
            again = await node.installed(certified.out)
            assert (again.code, "for another key" in again.err) == (1, True), again
            left = await node.command("request", renew_certificate="false")
            assert (left.code, "renew_certificate is false" in left.err) == (1, True), left

    run(scenario())


def test_nobody_comes_back_by_a_request_that_its_region_has_not_signed_or_after_its_revocation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            node, issuer = Returning(at, tmp_path / "node"), at.issuer
            request = await node.requested()
            forged = RenewCertificateRequest.FromString(base64url.decoded(request))
            forged.signature = bytes(64)
            told = await node.certified(base64url.encoded(forged.SerializeToString()))
            assert (told.code, told.out, "has not signed it" in told.err) == (1, "", True), told
            told = await node.certified(request[:-9] + "?")
            assert (told.code, told.out, "is not whole" in told.err) == (2, "", True), told
            at.issuer = tmp_path / "coordinators"
            authority = at.running.certificates.authority
            authority.issue_renewing_issuer(COORDINATORS, now() - HOUR, now() + HOUR).save(at.issuer)
            told = await node.certified(request)
            assert (told.code, told.out, "renews by another issuer" in told.err) == (1, "", True), told
            at.issuer = issuer
            crl = authority.revocation_list([node.signing_serial], 1, now())
            revoked = RevocationList(crl=crl.public_bytes(Encoding.DER))
            lists = RevocationServiceStub(at.running.as_(ADMIN))
            await invoke(lists.PublishRevocationList, PublishRevocationListRequest(revocation_list=revoked), PATIENCE_S)
            told = await node.certified(request)
            assert (told.code, told.out, "it was revoked" in told.err) == (1, "", True), told

    run(scenario())


def test_a_node_that_cannot_write_a_renewed_certificate_says_so_and_serves(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    data = Path(installed.settings["data"])
    data.mkdir(mode=0o700)
    (data / "renewed").write_bytes(b"no directory")
    told = "the certificate cannot be renewed: nothing can be written"
    with installed.serving() as process:
        wait_until(lambda: told in process.last_lines(), PATIENCE_S, "the node says so")
