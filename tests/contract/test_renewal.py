"""Renewals at a real coordinator: whose statements it takes, what it publishes, and the program that issues."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
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
from gateway.errors import Refused, reason_name
from gateway.rpc.channels import invoke
from gateway.security.authority import Authority
from gateway.security.enrolling import RequestedRenewal, certificate_request
from gateway.security.identity import parse
from gateway.security.issuing import IssuerDirectory
from gateway.security.signing import RENEWAL
from gateway.time.clock import to_timestamp
from tests import preloaded
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, RegionKeys, federation, keys_of, run
from tests.contract.programs import REGION_NODE, Installation
from tests.contract.small_federation import FEDERATION, HOUR, NOW, Certificates
from tests.preloaded import Ended

MINUTES = timedelta(minutes=30)


@dataclass
class Scene:
    """A coordinator, the keys of Sichuan, and the directory of the issuer of nodes."""

    running: Federation
    sichuan: RegionKeys
    issuer: Path

    def asked(
        self, key: ec.EllipticCurvePrivateKey, process: int = 0, region: str = "sichuan", time: datetime = NOW
    ) -> RenewCertificateRequest:
        identity = parse(f"spiffe://{FEDERATION}/region/{region}", FEDERATION)
        statement = RenewalStatement(
            region=region,
            process=process,
            tls_request=certificate_request(key, identity),
            request_time=to_timestamp(time),
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
        request = IssueCertificateRequest(
            renewal_id=renewal.id, statement=renewal.statement, tls_certificate=certificate
        )
        await invoke(RenewalServiceStub(self.running.as_(ADMIN)).IssueCertificate, request, PATIENCE_S)

    async def issue(self) -> Ended:
        """Runs the issuing program once."""
        environment = {
            "CROSSREGION_COORDINATOR": self.running.endpoint,
            "CROSSREGION_CREDENTIALS": str(self.running.certificates.credentials(ADMIN).certificate.parent),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": "en",
        }
        words = ("enrolments", "renew", str(self.issuer), "--hours", "0.5", "--once")
        return await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, environment=environment)


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    certificates = Certificates(tmp_path / "certificates")
    certificates.authority.issue_node_issuer(NOW - HOUR, NOW + HOUR).save(tmp_path / "issuer")
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
            later = at.asked(key, time=NOW + timedelta(minutes=1))
            assert await at.renew(later) == certificate, "after a lost answer, by the same key"
            assert await at.waiting() == []
            assert await at.renew(at.asked(ec.generate_private_key(ec.SECP256R1()))) == b"", "another key begins anew"
            at.running.certificates.authority.issue_issuer("sichuan", NOW - HOUR, NOW + HOUR).save(tmp_path / "other")
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
            wrong = (altered, foreign, at.asked(key, region="henan"), at.asked(key, time=NOW - 2 * HOUR))
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
            stranger = Authority.create(FEDERATION, NOW - HOUR, NOW + HOUR)
            stranger.issue_node_issuer(NOW - HOUR, NOW + HOUR).save(tmp_path / "strange")
            asked = RequestedRenewal.parse(renewal.statement, FEDERATION)
            by_authority = authority.certify_tls(asked.identity, asked.key, NOW, NOW + MINUTES)
            issuer, strange = IssuerDirectory(at.issuer), IssuerDirectory(tmp_path / "strange")
            for unfit in (
                issuer.renew(other, NOW, MINUTES),
                strange.renew(asked, NOW, MINUTES),
                by_authority.public_bytes(Encoding.PEM),
                b"x",
            ):
                assert await reason(at.publish(renewal, unfit)) == "CERTIFICATE_UNFIT"
            former = Renewal(id=renewal.id, statement=at.asked(ec.generate_private_key(ec.SECP256R1())).statement)
            fitting = issuer.renew(asked, NOW, MINUTES)
            assert await reason(at.publish(former, fitting)) == "ENROLMENT_NOT_FOUND"
            await at.publish(renewal, fitting)
            await at.publish(renewal, issuer.renew(asked, NOW, MINUTES))
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


def test_a_node_that_cannot_write_a_renewed_certificate_says_so_and_serves(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    data = Path(installed.settings["data"])
    data.mkdir(mode=0o700)
    (data / "renewed").write_bytes(b"no directory")
    told = "the certificate cannot be renewed: nothing can be written"
    with installed.serving() as process:
        wait_until(lambda: told in process.last_lines(), PATIENCE_S, "the node says so")
