"""Renewal of a node's certificate: what the issuer of nodes makes, what is a request, and the files after a kill."""

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.api.coordinator.v1.renewal_service_pb2 import (
    RenewalStatement,
    RenewCertificateRequest,
    RenewCertificateResponse,
)
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.errors import Refused, Unreachable, reason_name
from gateway.maintenance.doctor.certificates import check_credentials
from gateway.maintenance.doctor.findings import State
from gateway.security.authority import Authority
from gateway.security.certificate_renewal import LONGEST_PAUSE, SHORTEST_PAUSE, CertificateRenewal, RenewalPorts
from gateway.security.enrolling import RequestedRenewal, certificate_request
from gateway.security.identity import parse
from gateway.security.issuers import COORDINATORS, NODES
from gateway.security.issuing import IssuerDirectory
from gateway.security.peers import Peer, peer_of
from gateway.security.renewal_proofs import proof_of_region
from gateway.security.renewing import RenewedFiles, completed, due_at
from gateway.security.revocations import Revocations
from gateway.security.signing import RENEWAL, Signer, TrustedKeys
from gateway.security.tls import Credentials, RenewedCredentials

FEDERATION = "demo.example"
NOW = datetime.now(UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AUTHORITY = Authority.create(FEDERATION, NOW - DAY, NOW + 90 * DAY)
ISSUER = AUTHORITY.issue_renewing_issuer(NODES, NOW - DAY, NOW + 30 * DAY)
HUNAN = parse(f"spiffe://{FEDERATION}/region/hunan", FEDERATION)


def peer(path: str, by: Authority) -> Peer:
    """The member at a path as gRPC shows it, by a certificate that an issuer has signed against its own rules."""
    key = ec.generate_private_key(ec.SECP256R1())
    identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
    certificate = by._sign(identity, key.public_key(), NOW, NOW + HOUR, [], [ExtendedKeyUsageOID.CLIENT_AUTH])
    context = {
        "peer_uri": [identity.uri.encode()],
        "x509_pem_cert": [certificate.public_bytes(Encoding.PEM)],
        "x509_pem_cert_chain": [by.chain_pem],
    }
    return peer_of(context, FEDERATION)


MEMBERS = ("region/hunan", "region/hunan/operator/crm", "region/hunan/staff/wang", "admin/root", "coordinator/0")


@pytest.mark.parametrize(
    ("of", "made"), [(NODES, ["region/hunan"]), (COORDINATORS, ["admin/root", "coordinator/0"])], ids=str
)
def test_an_issuer_that_renews_makes_its_members_and_nobody_else(of: str, made: Sequence[str]) -> None:
    issuer = AUTHORITY.issue_renewing_issuer(of, NOW - DAY, NOW + 30 * DAY)
    assert issuer.region == of
    for path in MEMBERS:
        identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
        if path in made:
            assert peer(path, issuer).identity == identity
            issuer.issue_tls(identity, NOW, NOW + HOUR, addresses=())
            continue
        with pytest.raises(Refused) as refused:
            peer(path, issuer)
        assert reason_name(refused.value.reason) == "UNAUTHENTICATED"
        with pytest.raises(ValueError, match="alone"):
            issuer.issue_tls(identity, NOW, NOW + HOUR)
    with pytest.raises(ValueError, match=r"gets no signing certificate|alone"):
        issuer.issue_signing(HUNAN, NOW, NOW + HOUR)


def test_a_renewed_certificate_is_revoked_by_the_issuer_of_nodes_and_with_it() -> None:
    renewed = peer("region/hunan", ISSUER)
    for by, serial in (
        (ISSUER, renewed.certificates[0][0].serial),
        (AUTHORITY, ISSUER.certificate.serial_number),
    ):
        kept = Revocations(AUTHORITY.certificate_pem, FEDERATION)
        kept.require_in_force(renewed)
        crl = by.revocation_list([serial], 1, NOW).public_bytes(Encoding.DER)
        own = by.certificate.public_bytes(Encoding.DER) if by is ISSUER else b""
        kept.take(RevocationList(crl=crl, issuer_certificate=own))
        with pytest.raises(Refused) as refused:
            kept.require_in_force(renewed)
        assert reason_name(refused.value.reason) == "CERTIFICATE_REVOKED"


def test_a_certificate_is_due_after_two_thirds_of_its_life() -> None:
    life = timedelta(hours=3)
    tls = AUTHORITY.issue_tls(HUNAN, NOW, NOW + life)
    assert abs(due_at(tls.certificate_pem) - (NOW + 2 * HOUR)) < timedelta(seconds=2)


class NodeClock:
    """The machine's clock of a node under test."""

    def __init__(self, node: "Node") -> None:
        self._node = node

    def now(self) -> datetime:
        return self._node.time


class Node:
    """A node's files, and an issuing program that answers."""

    def __init__(self, directory: Path, life: timedelta = HOUR) -> None:
        self.directory = directory
        issued = AUTHORITY.issue(HUNAN, NOW - HOUR, NOW - HOUR + life)
        issued.write(directory / "node")
        assert issued.signing is not None
        assert isinstance(issued.signing.key, Ed25519PrivateKey)
        self.credentials = RenewedCredentials.of(Credentials.within(directory / "node"), directory / "renewed")
        self.signing = issued.signing
        ISSUER.save(directory / "issuer")
        self.issuer = IssuerDirectory(directory / "issuer")
        self.keys = TrustedKeys(AUTHORITY.certificate_pem, FEDERATION)
        self.asked: list[RenewCertificateRequest] = []
        self.time = NOW
        self.answer: Callable[[RenewCertificateRequest], RenewCertificateResponse] = self.issued
        self.prove = proof_of_region(Signer(issued.signing.key), issued.signing.certificate_pem)
        self.renewal = self.process()

    def process(self) -> CertificateRenewal:
        """The renewal by one process with these files."""
        clock = NodeClock(self)
        return CertificateRenewal(
            RenewalPorts(self.credentials, HUNAN, 0, self.prove, lambda: self.keys.authorities, self.ask, clock)
        )

    async def ask(self, request: RenewCertificateRequest) -> RenewCertificateResponse:
        self.asked.append(request)
        return self.answer(request)

    def issued(self, request: RenewCertificateRequest) -> RenewCertificateResponse:
        self.keys.accept("hunan", request.signing_certificate, NOW - HOUR)
        assert self.keys.verify("hunan", RENEWAL, request.statement, request.signature)
        asked = RequestedRenewal.parse(request.statement, FEDERATION)
        return RenewCertificateResponse(tls_certificate=self.issuer.renew(asked, self.time, 48 * HOUR))

    def look(self) -> float:
        return asyncio.run(self.renewal.look())

    def serial(self) -> int:
        """Of the certificate in use."""
        certificate = self.credentials.in_use(self.time).certificate
        return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


def test_a_node_asks_when_it_is_due_and_keeps_key_and_certificate_beside_the_issued_ones(tmp_path: Path) -> None:
    node = Node(tmp_path, life=4 * HOUR)
    before = node.serial()
    issued = contents(tmp_path / "node")
    assert node.look() > SHORTEST_PAUSE
    assert not node.asked, "it is not due"
    node.time = NOW + 2 * HOUR
    node.look()
    assert node.serial() != before
    assert contents(tmp_path / "node") == issued
    renewed = node.credentials.renewed
    assert node.credentials.in_use(node.time) == renewed
    assert renewed.key.stat().st_mode & 0o777 == 0o600
    assert node.credentials.directory.stat().st_mode & 0o777 == 0o700
    assert set(contents(node.credentials.directory)) == {"tls.crt", "tls.key", "tls.key.lock"}
    assert b"BEGIN CERTIFICATE" in renewed.certificate.read_bytes().partition(b"END")[2], "with its issuer"
    asked = len(node.asked)
    node.look()
    assert len(node.asked) == asked, "it is not due again"


def test_a_certificate_of_48_hours_outlasts_an_issuing_program_that_is_away_for_15_hours(tmp_path: Path) -> None:
    node = Node(tmp_path, life=48 * HOUR)
    begun, before = NOW - HOUR, node.serial()

    def away(_: RenewCertificateRequest) -> RenewCertificateResponse:
        raise Unreachable("nobody answers")

    node.answer, node.time = away, begun + 31 * HOUR
    assert node.look() <= LONGEST_PAUSE
    assert not node.asked, "it is not due"
    for hours in range(32, 48):
        node.time = begun + hours * HOUR + timedelta(seconds=1)
        assert node.look() <= LONGEST_PAUSE
    assert (node.serial(), len(node.asked)) == (before, 16)
    node.credentials.load(node.time)
    node.answer = node.issued
    node.look()
    assert node.serial() != before


def contents(directory: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in directory.iterdir()}


def test_of_two_pairs_the_one_issued_last_is_shown_while_it_can_be_used(tmp_path: Path) -> None:
    node = Node(tmp_path, life=40 * HOUR)
    issued, stamps = node.credentials.in_use(NOW), [node.credentials.stamp()]
    node.time = NOW + 30 * HOUR
    node.look()
    stamps.append(node.credentials.stamp())
    assert node.credentials.in_use(node.time) == node.credentials.renewed
    assert node.credentials.end(node.time) > NOW + 70 * HOUR
    # Its key is lost, or its time is over: the issued pair is still there.
    key = node.credentials.renewed.key
    content = key.read_bytes()
    key.write_bytes(issued.key.read_bytes())
    assert node.credentials.in_use(node.time) == issued
    key.write_bytes(content)
    AUTHORITY.issue(HUNAN, NOW, NOW + 80 * HOUR).write(tmp_path / "node")
    stamps.append(node.credentials.stamp())
    assert node.credentials.in_use(NOW + 79 * HOUR) == issued
    # The region has enrolled anew since.
    AUTHORITY.issue(HUNAN, NOW + 31 * HOUR, NOW + 80 * HOUR).write(tmp_path / "node")
    stamps.append(node.credentials.stamp())
    assert node.credentials.in_use(NOW + 32 * HOUR) == issued
    assert len(set(stamps)) == len(stamps), "servers and channels see each change"


def test_a_node_that_nobody_renews_in_time_goes_back_to_its_issued_certificate_while_it_serves(tmp_path: Path) -> None:
    node = Node(tmp_path, life=100 * HOUR)
    issued = node.serial()
    node.time = NOW + 80 * HOUR
    node.answer = lambda asked: RenewCertificateResponse(
        tls_certificate=node.issuer.renew(RequestedRenewal.parse(asked.statement, FEDERATION), node.time, HOUR)
    )
    node.look()
    assert node.serial() != issued
    served = node.credentials.stamp()

    def away(_: RenewCertificateRequest) -> RenewCertificateResponse:
        raise Unreachable("nobody answers")

    node.answer = away
    node.time += 200 * HOUR
    node.look()
    assert node.credentials.stamp() == served, "a clock that is far ahead takes nothing away"
    node.time -= 198 * HOUR
    node.look()
    assert node.serial() == issued
    assert node.credentials.stamp() != served, "servers see it"
    node.answer = node.issued
    node.look()
    assert node.serial() != issued


def test_a_certificate_that_begins_later_by_the_clock_of_the_node_waits_for_its_begin(tmp_path: Path) -> None:
    node = Node(tmp_path)
    served = node.credentials.stamp()
    node.answer = lambda asked: RenewCertificateResponse(
        tls_certificate=node.issuer.renew(
            RequestedRenewal.parse(asked.statement, FEDERATION), NOW + HOUR / 4, 48 * HOUR
        )
    )
    node.look()
    assert node.credentials.stamp() == served, "servers and channels would take the issued pair, and see no later begin"
    node.time = NOW + HOUR / 4
    node.look()
    assert node.credentials.in_use(node.time) == node.credentials.renewed
    assert len({each.SerializeToString() for each in node.asked}) == 1


@pytest.mark.parametrize("named", [["node.example"], []])
def test_an_issued_certificate_with_further_names_is_shown_although_a_renewed_one_begins_later(
    tmp_path: Path, named: list[str]
) -> None:
    node = Node(tmp_path)
    node.look()
    assert node.credentials.in_use(NOW) == node.credentials.renewed
    AUTHORITY.issue(HUNAN, NOW - 2 * HOUR, NOW + 9 * HOUR, named).write(tmp_path / "node")
    assert (node.credentials.in_use(NOW) == node.credentials.renewed) == (not named)
    assert node.credentials.in_use(NOW + 10 * HOUR) == node.credentials.renewed, "better than one that has ended"


def test_a_renewed_pair_ends_with_the_trust_in_its_authority(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.look()
    new = Authority.create(FEDERATION, NOW - DAY, NOW + 90 * DAY)
    new.issue(HUNAN, NOW - HOUR / 2, NOW + DAY).write(tmp_path / "node")
    node.credentials.authority.write_bytes(new.certificate_pem + AUTHORITY.certificate_pem)
    assert node.credentials.in_use(NOW) == node.credentials.renewed
    node.credentials.authority.write_bytes(new.certificate_pem)
    assert node.credentials.in_use(NOW) != node.credentials.renewed, "nobody accepts it any more"


def nameless() -> bytes:
    """A certificate (PEM) with no name at all, and with a broken extension."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    names = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\xff\xff")
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + HOUR)
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_node_whose_file_is_broken_meanwhile_goes_on_and_looks_again(tmp_path: Path) -> None:
    node = Node(tmp_path)
    for content in (b"", b"x", nameless(), AUTHORITY.issue(HUNAN, NOW - DAY, NOW - HOUR).tls.certificate_pem):
        node.credentials.certificate.write_bytes(content)
        assert node.look() >= SHORTEST_PAUSE


def test_a_node_whose_renewal_fails_keeps_its_certificate_and_asks_again_with_the_same_key(tmp_path: Path) -> None:
    node = Node(tmp_path)
    before = node.serial()

    def away(_: RenewCertificateRequest) -> RenewCertificateResponse:
        raise Unreachable("nobody answers")

    other = AUTHORITY.issue_tls(HUNAN, NOW, NOW + HOUR)  # of another key, and by no issuer of nodes
    for answer in (
        away,
        lambda _: RenewCertificateResponse(),
        lambda _: RenewCertificateResponse(tls_certificate=other.certificate_pem),
        lambda _: RenewCertificateResponse(tls_certificate=b"x"),
        lambda _: RenewCertificateResponse(tls_certificate=nameless() + ISSUER.certificate_pem),
        lambda _: RenewCertificateResponse(tls_certificate=other.certificate_pem + nameless()),
    ):
        node.answer = answer
        assert node.look() >= SHORTEST_PAUSE
        assert node.serial() == before
    assert len({each.SerializeToString() for each in node.asked}) == 1
    node.time = NOW + timedelta(minutes=30)
    node.answer = node.issued
    with pytest.raises(Refused):
        node.keys.accept("hunan", node.signing.certificate_pem, NOW + 90 * DAY)
    node.look()
    assert node.serial() != before
    statements = [RequestedRenewal.parse(each.statement, FEDERATION) for each in (node.asked[0], node.asked[-1])]
    assert statements[0].key == statements[1].key
    assert statements[0].statement.request_time != statements[1].statement.request_time, (
        "an old statement is signed anew"
    )


def test_an_answer_that_has_grown_old_meanwhile_takes_no_place_and_another_key_follows(tmp_path: Path) -> None:
    node = Node(tmp_path)
    before = node.serial()

    def old(request: RenewCertificateRequest) -> RenewCertificateResponse:
        asked = RequestedRenewal.parse(request.statement, FEDERATION)
        return RenewCertificateResponse(tls_certificate=node.issuer.renew(asked, NOW - 3 * HOUR, HOUR))

    node.answer = old
    node.look()
    assert node.serial() == before
    node.answer = node.issued
    node.look()
    assert node.serial() != before
    first, last = (RequestedRenewal.parse(each.statement, FEDERATION) for each in (node.asked[0], node.asked[-1]))
    assert first.key != last.key


def test_the_doctor_warns_of_a_short_certificate_in_the_last_third_of_its_life(tmp_path: Path) -> None:
    node = Node(tmp_path, life=4 * HOUR)
    for time, state in ((NOW, State.GOOD), (NOW + 2 * HOUR, State.WARNING)):
        _, certificate, _ = check_credentials(node.credentials, time, HUNAN)
        assert certificate.state is state


def test_a_certificate_with_further_names_is_left_to_people(tmp_path: Path) -> None:
    node = Node(tmp_path)
    AUTHORITY.issue(HUNAN, NOW - HOUR, NOW + HOUR / 4, ["node.example"]).write(tmp_path / "node")
    node.look()
    assert not node.asked


def test_a_certificate_takes_no_place_beside_a_key_that_another_command_has_made_meanwhile(tmp_path: Path) -> None:
    node = Node(tmp_path, life=2 * HOUR)
    issued = Credentials.within(tmp_path / "node")
    files, before = RenewedFiles(issued), contents(tmp_path / "node")
    key = files.fresh_key()
    statement = RenewalStatement(region="hunan", tls_request=certificate_request(key, HUNAN)).SerializeToString()
    certificate = node.issuer.renew(RequestedRenewal.parse(statement, FEDERATION), NOW, HOUR)
    files.discard()
    files.fresh_key()
    with pytest.raises(ValueError, match="another key"):
        files.install(certificate)
    files.discard()
    assert contents(tmp_path / "node") == before
    issued.load(NOW)


class Disturbed(Node):
    """A node beside which another process with the same files looks while it waits for its first answer."""

    begun = 0

    async def ask(self, request: RenewCertificateRequest) -> RenewCertificateResponse:
        self.begun += 1
        if self.begun == 1:
            await self.process().look()
        return await super().ask(request)


def test_of_two_processes_with_the_same_files_one_renews_and_the_other_uses_its_certificate(tmp_path: Path) -> None:
    node = Disturbed(tmp_path)
    node.look()
    asyncio.run(node.process().look())
    assert node.begun == 1
    assert node.credentials.in_use(NOW) == node.credentials.renewed


def test_an_account_that_may_only_read_the_directory_and_its_public_files_keeps_nobody_from_renewing(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path)
    files, directory = RenewedFiles(node.credentials), node.credentials.key.parent
    lock = directory / "tls.key.lock"
    lock.touch(0o644)  # as a copy of the directory may have it
    with ExitStack() as others:
        for each in (directory, directory / "tls.crt", lock):
            held = os.open(each, os.O_RDONLY)
            others.callback(os.close, held)
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with files.alone(), pytest.raises(BlockingIOError, match="another process"), files.alone():
            pass
    assert lock.stat().st_mode & 0o777 == 0o600


def test_processes_of_one_administrator_replace_no_renewals_of_each_other() -> None:
    key, li = ec.generate_private_key(ec.SECP256R1()), parse(f"spiffe://{FEDERATION}/admin/li", FEDERATION)
    statements = [
        RenewalStatement(member=li.path, process=process, tls_request=certificate_request(key, li))
        for process in (0, 1)
    ]
    ids = [RequestedRenewal.parse(each.SerializeToString(), FEDERATION).id for each in statements]
    assert ids == ["admin/li", "admin/li/1"]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_kill_between_any_two_steps_of_the_replacement_leaves_a_pair_after_the_next_start(
    tmp_path: Path, steps: int, in_place: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path, life=2 * HOUR)
    # A node of an older version renewed its issued files.
    files = RenewedFiles(node.credentials if in_place else node.credentials.renewed)
    key = files.fresh_key()
    statement = RenewalStatement(region="hunan", tls_request=certificate_request(key, HUNAN)).SerializeToString()
    certificate = node.issuer.renew(RequestedRenewal.parse(statement, FEDERATION), NOW, HOUR)
    left = steps
    rename = Path.replace

    def killed(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.install(certificate)
    monkeypatch.undo()
    assert completed(node.credentials) is node.credentials
    loaded = node.credentials.load(NOW - timedelta(minutes=4))
    assert (loaded.certificate == certificate) == (steps > 1)
    assert files.fresh_key().public_key() == key.public_key() or steps > 1


def test_a_statement_of_nobody_who_renews_is_none() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = certificate_request(key, HUNAN)
    wrong = (
        RenewalStatement(region="henan", tls_request=request),
        RenewalStatement(region="hunan", process=64, tls_request=request),
        RenewalStatement(region="../etc", tls_request=request),
        RenewalStatement(member="region/hunan", tls_request=request),
        RenewalStatement(member="region/hunan/operator/crm", tls_request=request),
        RenewalStatement(member="admin/root", tls_request=request),
        RenewalStatement(member="../etc", tls_request=request),
        RenewalStatement(region="hunan", tls_request=certificate_request(Ed25519PrivateKey.generate(), HUNAN)),
    )
    for each in wrong:
        with pytest.raises(ValueError, match=r".+"):
            RequestedRenewal.parse(each.SerializeToString(), FEDERATION)
    with pytest.raises(ValueError, match="cannot be read"):
        RequestedRenewal.parse(b"\xff", FEDERATION)
