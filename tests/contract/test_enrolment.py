"""Enrolment at a real coordinator: by the commands, for two administrators, at a port that serves nothing else."""

import asyncio
import stat
from datetime import datetime
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.enrolments import rates
from coordinator.enrolments.service import EnrolmentPorts
from coordinator.membership.administration.service import MembershipService
from deploy.local.ports import HeldPort
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest, ListRegionsResponse
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.enrolment_service_pb2 import (
    ApproveEnrolmentRequest,
    EnrolRequest,
    ListEnrolmentsRequest,
)
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub, JoiningServiceStub
from gateway.api.federation.v1.federation_pb2 import WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, from_rpc_error, reason_name, text
from gateway.rpc.channels import Dialer, health_of, invoke
from gateway.rpc.connections import MOST
from gateway.security.authority import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    SIGNING_CERTIFICATE,
    SIGNING_KEY,
)
from gateway.security.enrolling import SECRET_BYTES, RequestedKeys
from gateway.security.identity import parse, server_name
from gateway.security.issuing import IssuerDirectory
from gateway.security.private_keys import open_key
from gateway.security.region_keys import KeySet
from gateway.security.signing import REVISION, Signer, TrustedKeys
from gateway.security.tls import Credentials, client_options, joiner_credentials
from tests.contract.coordinators import ADMIN, PATIENCE_S, eventually, federation, keys_of, run
from tests.contract.enrolling import fingerprint_in, long_authority, scene, told_in
from tests.contract.small_federation import CLOCK, FEDERATION, HOUR, Certificates
from tests.crash.test_drain import refuses
from tests.federation.refusals import read
from tests.hostile.frames import CONTINUATION, Connection, call_headers, frame
from tests.shipped import shipped_configuration, without
from tests.tokens import PIN, Token

ENROL = "coordinator.v1.JoiningService/Enrol"
NAME = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)


def hours_of(file: Path) -> int:
    """The life of a certificate."""
    found = x509.load_pem_x509_certificate(file.read_bytes())
    return round((found.not_valid_after_utc - found.not_valid_before_utc) / HOUR)


def test_a_node_asks_again_until_the_coordinator_has_its_clock_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision_time, refusals = EnrolmentPorts.decision_time, [Refused(Reason.REASON_CLOCK_UNTRUSTED)] * 2

    def confirmed_later(ports: EnrolmentPorts) -> datetime:
        if refusals:
            raise refusals.pop()
        return decision_time(ports)

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            token = await at.invited()
            monkeypatch.setattr(EnrolmentPorts, "decision_time", confirmed_later)
            hasty = await at.join(token, wait=0)
            said = text(Reason.REASON_CLOCK_UNTRUSTED, {}).en
            assert (hasty.code, said in hasty.err, "approved" in hasty.err) == (3, True, False), hasty.err
            joined = await at.join(token, wait=6)
            assert (joined.code, "Nobody has approved yet" in joined.err) == (3, True), joined.err
            assert (await at.state(), refusals) == ("REQUESTED", [])

    run(scenario())


def test_a_node_enrols_by_a_token_and_the_approval_of_a_second_administrator(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            token = await at.invited()
            first = await at.join(token)
            assert (first.code, "Nobody has approved yet" in first.err) == (3, True), first.err
            fingerprint, out = fingerprint_in(first), tmp_path / "node"
            names = ("tls.key", "signing.key", "region.keys")
            assert [stat.S_IMODE((out / name).stat().st_mode) for name in names] == [0o600] * 3
            assert told_in(first)[0] == await at.id()
            sealing = KeySet.load(out / "region.keys").in_use.id
            listed = await at.administrator("wang", "list")
            assert "requested" in listed.out
            own = await at.approve("li", fingerprint)
            assert (own.code, "another administrator" in own.err) == (1, True), own.err
            told_wrongly = await at.approve(
                "wang", fingerprint.replace(fingerprint[0], "0" if fingerprint[0] != "0" else "1")
            )
            assert (told_wrongly.code, "another one was told to you" in told_wrongly.err) == (1, True), told_wrongly.err
            made = await at.node_issuer()
            assert made.code == 0, made.err
            approved = await at.approve("wang", fingerprint.upper())
            assert approved.code == 0, approved.err
            second = await at.join(token)
            assert second.code == 0, second.err
            assert fingerprint_in(second) == fingerprint, "the same keys went on"
            assert KeySet.load(out / "region.keys").in_use.id == sealing
            assert [hours_of(out / name) for name in ("tls.crt", "signing.crt")] == [72, 72], (
                "so the administrator said"
            )
            made_here, issued = {"tls.key", "signing.key", "region.keys"}, {"authority.crt", "tls.crt", "signing.crt"}
            assert {each.name for each in out.iterdir()} == made_here | issued, "no anchor, which people bring"
            credentials = Credentials(out / "authority.crt", out / "tls.crt", out / "tls.key")
            async with Dialer(credentials, CLOCK).dial(at.running.endpoint, NAME) as channel:
                watch = FederationServiceStub(channel).Watch(WatchRequest())
                assert await watch.read() is not grpc.aio.EOF, "it is a member"
            again = await at.join(token)
            assert (again.code, "has certificates" in again.err) == (1, True)
            actions = [(row.actor, row.action) for row in at.running.audit_rows() if "ENROLMENT" in row.action]
            assert actions == [
                ("admin/li", "ENROLMENT_INVITED"),
                ("joiner", "ENROLMENT_REQUESTED"),
                ("admin/wang", "ENROLMENT_APPROVED"),
            ]
            database = b"".join(each.read_bytes() for each in (tmp_path / "data").glob("coordinator.db*"))
            secret = token.split(".")[1]
            assert secret.encode() not in database

    run(scenario())


@pytest.mark.slow  # commands of one's own processes, which open the token anew
def test_a_node_enrols_with_a_key_in_a_token_by_an_authority_in_a_token(tmp_path: Path, token: Token) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            invited, out, authority = await at.invited(), tmp_path / "node", tmp_path / "authority" / AUTHORITY_KEY
            out.mkdir()
            named = token.ed25519("hunan").replace(out / SIGNING_KEY)
            token.hold("authority", open_key(authority), authority)
            first = await at.join(invited)
            assert (first.code, "Nobody has approved yet" in first.err) == (3, True), first.err
            approved = await at.approve("wang", fingerprint_in(first))
            assert approved.code == 0, approved.err
            second = await at.join(invited)
            assert second.code == 0, second.err
            assert named.read_text().startswith("pkcs11:"), "no key was made"
            keys = TrustedKeys((out / AUTHORITY_CERTIFICATE).read_bytes(), FEDERATION)
            keys.accept("hunan", (out / SIGNING_CERTIFICATE).read_bytes(), CLOCK.now())
            assert keys.verify("hunan", REVISION, b"statement", Signer.load(named).sign(REVISION, b"statement"))
            assert PIN not in "".join(each.out + each.err for each in (first, approved, second))

    run(scenario())


@pytest.mark.slow  # commands; the decisions are in tests/unit/test_enrolments.py
def test_a_token_that_was_used_by_another_is_found_and_rejected(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            token = await at.invited()
            thief = await at.join(token, "thief")
            owner = await at.join(token, "owner")
            assert (owner.code, "was used before" in owner.err) == (1, True), owner.err
            refused = await at.approve("wang", fingerprint_in(owner))
            assert (refused.code, fingerprint_in(thief) in refused.err) == (1, True), refused.err
            rejected = await at.administrator("li", "reject", await at.id(), "--note", "told otherwise")
            assert rejected.code == 0, rejected.err
            told = await at.join(token, "thief")
            assert (told.code, "told otherwise" in told.err) == (1, True), told.err
            assert not (tmp_path / "thief" / "tls.crt").exists()
            unknown = await at.administrator("li", "reject", "0000000000000000", language="zh")
            assert (unknown.code, "不存在入网申请" in unknown.err) == (1, True), unknown.err

    run(scenario())


@pytest.mark.slow  # commands
def test_certificates_of_another_authority_are_published_by_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            long_authority().save(tmp_path / "other")
            token = await at.invited()
            joining = await at.join(token)
            refused = await at.approve("wang", fingerprint_in(joining), authority="other")
            assert (refused.code, "another authority" in refused.err) == (1, True), refused.err
            # A joiner trusts the authority of its token, and no server of another one.
            false = Certificates(tmp_path / "false")
            port = HeldPort()
            async with federation(false, tmp_path / "false-data", enrolment=f"127.0.0.1:{port.number}"):
                at.joining = f"127.0.0.1:{port.number}"
                told = await at.join(token)
                assert (told.code, "has to prove" in told.err) == (3, True), told.err

    run(scenario())


def test_the_question_before_an_approval_names_the_region_and_warns_of_a_takeover(tmp_path: Path) -> None:
    warning = "warning: the region {} has certificates in force already"

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            fingerprint = fingerprint_in(await at.join(await at.invited(), "first"))
            question = f"Certify the keys {fingerprint} for the region hunan?"
            declined = await at.approve("wang", fingerprint, typed="n")
            assert (declined.code, question in declined.err, at.certified()) == (1, True, []), declined.err
            assert "warning: " not in declined.err, "the region has nothing yet"
            assert (await at.region_issuer("hunan")).code == 0
            (made,) = IssuerDirectory(tmp_path / "authority").issued()
            approved = await at.approve("wang", fingerprint)
            assert (approved.code, warning.format("hunan") in approved.err) == (0, False), approved.err
            assert "warning: the region hunan has an issuer in force already" in approved.err, approved.err
            assert f"(serial number: {made.serial:x})" in approved.err, approved.err
            again = fingerprint_in(await at.join(await at.invited(), "again"))
            declined = await at.approve("wang", again, typed="n")
            assert warning.format("hunan") in declined.err, "by the word of the issuer"
            await at.running.join(keys_of(at.running.certificates, "sichuan"))
            further = fingerprint_in(await at.join(await at.invited("sichuan"), "further"))
            declined = await at.approve("wang", further, typed="n")
            assert warning.format("sichuan") in declined.err, "by the word of the coordinator"
            assert at.certified() == ["hunan"]

    run(scenario())


def test_a_revision_that_does_not_add_the_region_of_the_enrolment_is_neither_signed_nor_in_force(
    tmp_path: Path,
) -> None:
    renamed, lesser = shipped_configuration(), without("sichuan", shipped_configuration())
    renamed.regions[0].name.en = "another"

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            fingerprint = fingerprint_in(await at.join(await at.invited("sichuan")))
            for name, after, shows_before, problem in (
                ("other", renamed, True, "does not add sichuan"),
                ("silent", renamed, False, "does not add sichuan"),
                ("lesser", lesser, True, "There is no region sichuan"),
            ):
                file = tmp_path / f"{name}.bin"
                at.proposal(file, after, shows_before=shows_before)
                written = file.read_bytes()
                words = ("--revision", str(file), "--key", str(file.with_suffix(".key")), "--yes")
                refused = await at.approve("wang", fingerprint, *words)
                assert (refused.code, problem in refused.err) == (1, True), refused.err
                assert (file.read_bytes(), at.certified()) == (written, []), "nothing is signed"
            assert await at.running.apply(without("hunan", shipped_configuration())) == 2, (
                "no revision came in force meanwhile"
            )

    run(scenario())


@pytest.mark.slow  # commands
def test_a_region_that_the_configuration_in_force_does_not_name_is_not_approved(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as at:
            token = await at.invited()
            await at.running.apply(without("hunan", shipped_configuration()))
            fingerprint = fingerprint_in(await at.join(token))
            refused = await at.approve("wang", fingerprint)
            assert (refused.code, "There is no region hunan" in refused.err) == (1, True), refused.err
            assert at.certified() == [], "the command asks before it certifies"
            by_another_program = EnrolmentServiceStub(at.running.as_("admin/wang"))
            listed = await invoke(by_another_program.ListEnrolments, ListEnrolmentsRequest(), PATIENCE_S)
            (found,) = listed.enrolments
            node = parse(f"spiffe://{FEDERATION}/region/hunan", FEDERATION)
            keys = RequestedKeys.of(found.tls_request, found.signing_request, node)
            made = IssuerDirectory(tmp_path / "authority").certify(node, keys, CLOCK.now(), HOUR)
            tls, signing = (each.public_bytes(Encoding.PEM) for each in made)
            approval = ApproveEnrolmentRequest(enrolment_id=found.id, tls_certificate=tls, signing_certificate=signing)
            with pytest.raises(Refused, match="hunan") as told:
                await invoke(by_another_program.ApproveEnrolment, approval, PATIENCE_S)
            assert reason_name(told.value.reason) == "REGION_UNKNOWN"
            await at.running.apply()
            approved = await at.approve("wang", fingerprint)
            assert approved.code == 0, approved.err

    run(scenario())


def test_a_stranger_gets_nothing_but_a_refusal_and_leaves_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "JOINERS_PER_SECOND", 1 / 3600)  # a slow machine makes no room by its own waiting

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            rows = len(at.running.audit_rows())
            trusted = joiner_credentials(at.running.certificates.authority.certificate_pem)
            async with grpc.aio.secure_channel(at.joining, trusted, options=client_options(NAME)) as channel:
                stub = JoiningServiceStub(channel)
                for secret in (b"", bytes(SECRET_BYTES)):
                    with pytest.raises(Refused) as refused:
                        await invoke(stub.Enrol, EnrolRequest(secret=secret), PATIENCE_S)
                    assert reason_name(refused.value.reason) == "ENROLMENT_TOKEN_INVALID"
                for size, reason in ((20_000, "MESSAGE_TOO_LARGE"), (100_000, "RESOURCE_EXHAUSTED")):
                    assert await told(channel, ENROL, bytes(size)) == reason
                for method in (
                    "coordinator.v1.EnrolmentService/ListEnrolments",
                    "federation.v1.FederationService/Join",
                ):
                    assert await told(channel, method, b"") == "METHOD_UNKNOWN"
                with pytest.raises(grpc.aio.AioRpcError) as denied:
                    await health_of(channel, "", PATIENCE_S)
                assert denied.value.code() == grpc.StatusCode.PERMISSION_DENIED
                answers = [await told(channel, ENROL, b"") for _ in range(rates.JOINERS)]
                assert (answers[0], answers[-1]) == ("ENROLMENT_TOKEN_INVALID", "ENROLMENTS_TOO_MANY")
            async with grpc.aio.secure_channel(at.running.endpoint, trusted, options=client_options(NAME)) as channel:
                assert await told(channel, "coordinator.v1.JoiningService/Enrol", b"") == "UNAVAILABLE", (
                    "no certificate"
                )
            assert len(at.running.audit_rows()) == rows

    run(scenario())


def test_a_token_that_counts_is_served_where_strangers_have_used_up_the_calls_of_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "JOINERS_PER_SECOND", 1 / 3600)

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            token = await at.invited()
            trusted = joiner_credentials(at.running.certificates.authority.certificate_pem)
            async with grpc.aio.secure_channel(at.joining, trusted, options=client_options(NAME)) as channel:
                answers = [await told(channel, ENROL, b"") for _ in range(rates.JOINERS + 1)]
                assert answers[-1] == "ENROLMENTS_TOO_MANY"
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await JoiningServiceStub(channel).Enrol(
                        EnrolRequest(secret=bytes(SECRET_BYTES)), timeout=PATIENCE_S
                    )
                assert read(refused.value).retry_seconds > 0
            joined = await at.join(token)
            assert joined.code == 3, joined.err
            listed = await at.administrator("wang", "list")
            assert "requested" in listed.out

    run(scenario())


def test_a_stranger_who_sends_without_a_call_while_the_memory_is_large_is_cut_off_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.connections.LARGE", 0)
    monkeypatch.setattr("gateway.rpc.connections.SELDOM", 0.0)
    more = frame(CONTINUATION, 1, b"\x00\x01a\x7f\xe1\x5c" + b"b" * 12_000)  # a header of so many bytes

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            trusted = at.running.certificates.credentials("coordinator/0")
            flood = await Connection.open(at.joining, NAME, trusted, "127.0.0.1")
            await flood.begin_headers(1, call_headers(f"/gateway.api.{ENROL}"))
            sent = 0
            while await flood.send(more) and sent < MOST // 4:
                sent += len(more)
                await asyncio.wait([flood.ended], timeout=0.005)  # so that the server looks meanwhile
            assert flood.ended.done()

    run(scenario())


def test_connections_of_strangers_beyond_their_number_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.security.tls._JOINER_CONNECTIONS", 2)

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            trusted = at.running.certificates.credentials("coordinator/0")
            held = [await Connection.open(at.joining, NAME, trusted, "127.0.0.1") for _ in range(2)]
            with pytest.raises(ConnectionError):
                await Connection.open(at.joining, NAME, trusted, "127.0.0.1")
            assert not any(each.ended.done() for each in held)
            for each in held:
                await each.close()

    run(scenario())


def test_a_coordinator_that_ends_takes_no_joiners_while_it_finishes_the_calls_of_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def held(*_: object) -> ListRegionsResponse:
        begun.set()
        await let_go.wait()
        return ListRegionsResponse()

    monkeypatch.setattr(MembershipService, "ListRegions", held)

    async def scenario() -> None:
        async with scene(tmp_path) as at:
            stub = MembershipServiceStub(at.running.as_(ADMIN))
            call = stub.ListRegions(ListRegionsRequest(), timeout=PATIENCE_S)
            await begun.wait()
            stopping = asyncio.create_task(at.running.coordinator.stop())
            await eventually(lambda: refuses(at.joining))
            assert not call.done()
            let_go.set()
            assert await call.code() == grpc.StatusCode.OK
            await stopping

    run(scenario())


async def told(channel: grpc.aio.Channel, method: str, request: bytes) -> str:
    """The reason of a refusal, or the status without one."""
    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/gateway.api.{method}")
    try:
        await rpc(request, timeout=PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        return error.code().name if refused is None else reason_name(refused.reason)
    return "OK"
