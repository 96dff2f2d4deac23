"""A node and its coordinators: a real client against real servers on loopback, mTLS on."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import audit
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.authority import CertificateSet
from gateway.channels import Dialer
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.server import stop_tasks
from gateway.signing import AUDIT_HEAD, Signer, TrustedKeys
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from region_node.membership.client import FederationClient
from region_node.membership.last_good import FILE_NAME
from region_node.membership.node import MembershipPorts, Node
from tests.contract.small_federation import (
    CLOCK,
    CONFIGURATION,
    FEDERATION,
    NOTHING_LISTENS,
    Certificates,
    coordinator,
    new_authority,
)

REGION, PEER = "sichuan", "henan"
ENDPOINT = "127.0.0.1:7443"
# Long enough for handshakes on a busy machine; reached only where a test fails.
PATIENCE_S = 20.0


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    (tmp_path / "data").mkdir()
    return Certificates(tmp_path / "certificates")


class NodeUnderTest:
    """A client of the shipped kind, and what it works on."""

    def __init__(self, client: FederationClient, border: Border, store: SqliteStore) -> None:
        self.client = client
        self.border = border
        self.store = store

    @property
    def current(self) -> CurrentFederation:
        return self.border.current

    def trusts(self, region: str, signer: Signer) -> bool:
        return self.border.keys.verify(region, AUDIT_HEAD, b"word", signer.sign(AUDIT_HEAD, b"word"))


@asynccontextmanager
async def node(
    certificates: Certificates,
    data: Path,
    *coordinators: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[NodeUnderTest]:
    """A node that has loaded its last good state and whose loops do not run yet."""
    issued = certificates.issue(f"region/{REGION}")
    assert issued.signing is not None
    signer = signer_of(issued)
    keys = TrustedKeys(certificates.authority.certificate_pem, FEDERATION)
    border = Border(REGION, signer, keys, CurrentFederation())
    store = SqliteStore(data / "node.sqlite", migrations_of("gateway"))
    dialer = Dialer(certificates.credentials(f"region/{REGION}"), CLOCK)
    ports = MembershipPorts(dialer, store, CLOCK, random.Random(1), sleep)
    description = Node(FEDERATION, border, issued.signing.certificate_pem, coordinators)
    client = FederationClient(description, data, ports)
    client.load()
    try:
        yield NodeUnderTest(client, border, store)
    finally:
        await client.close()
        await store.close()


@asynccontextmanager
async def running(*loops: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs loops until the block ends."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        await stop_tasks(tasks)


def signer_of(issued: CertificateSet) -> Signer:
    assert issued.signing is not None
    assert isinstance(issued.signing.key, Ed25519PrivateKey)
    return Signer(issued.signing.key)


def member(region: str, issued: CertificateSet | None = None) -> Member:
    pem = issued.signing.certificate_pem if issued is not None and issued.signing is not None else b""
    return Member(region=region, state=MemberState.MEMBER_STATE_JOINED, signing_certificate=pem)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what it waits for is in another task, or in a log
            await asyncio.sleep(0.005)


async def at_once(seconds: float) -> None:
    """A sleep that takes no time."""
    await asyncio.sleep(0)


def invalid_configuration() -> Configuration:
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    configuration.regions[0].currency = "yuan"
    return configuration


def test_the_state_of_the_coordinator_is_in_force_and_its_keys_are_trusted(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        peer = certificates.issue(f"region/{PEER}")
        async with (
            coordinator(certificates, 7, member(PEER, peer)) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 7)
            assert under_test.current.federation.configuration == CONFIGURATION
            assert under_test.current.state().member_state(PEER) == MemberState.MEMBER_STATE_JOINED
            assert under_test.trusts(PEER, signer_of(peer))

    asyncio.run(story())


def test_a_change_reaches_the_node_while_it_follows(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            suspended = Member(region=PEER, state=MemberState.MEMBER_STATE_SUSPENDED)
            hub.change(1, suspended)
            await eventually(lambda: under_test.current.state().member_state(PEER) == suspended.state)
            hub.change(2, suspended)
            await eventually(lambda: under_test.current.revision == 2)
            assert hub.watched == 1

    asyncio.run(story())


def test_a_certificate_of_another_authority_is_told_and_not_trusted(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        forged = certificates.issue("region/guangdong", by=new_authority())
        honest = certificates.issue(f"region/{PEER}")
        members = (member("guangdong", forged), member(PEER, honest))
        async with (
            coordinator(certificates, 1, *members) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            hub.change(2, *members)
            await eventually(lambda: under_test.current.revision == 2)
            assert not under_test.trusts("guangdong", signer_of(forged))
            assert under_test.trusts(PEER, signer_of(honest))

    asyncio.run(story())
    assert caplog.text.count("the signing certificate of guangdong is not trusted") == 1


def test_a_lower_revision_is_never_taken(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates, 5, member(PEER)) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 5)
            hub.change(4)
            await eventually(lambda: hub.watched > 1)
            assert under_test.current.revision == 5
            assert under_test.current.state().member_state(PEER) == MemberState.MEMBER_STATE_JOINED
            hub.change(6)
            await eventually(lambda: under_test.current.revision == 6)

    asyncio.run(story())


def test_an_invalid_configuration_is_told_and_the_one_in_force_stays(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            hub.change(2, configuration=invalid_configuration())
            await eventually(lambda: hub.watched > 1)
            assert under_test.current.federation.configuration == CONFIGURATION
            hub.change(3)
            await eventually(lambda: under_test.current.revision == 3)

    asyncio.run(story())
    assert caplog.text.count("revision 2 is not valid: regions[") == 1


def test_a_node_works_by_the_last_good_state_where_no_coordinator_answers(
    certificates: Certificates, tmp_path: Path
) -> None:
    peer = certificates.issue(f"region/{PEER}")

    async def story() -> None:
        async with (
            coordinator(certificates, 3, member(PEER, peer)) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 3)
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
            assert under_test.current.revision == 3
            assert under_test.current.federation.configuration == CONFIGURATION
            assert under_test.trusts(PEER, signer_of(peer))

    asyncio.run(story())


def test_a_coordinator_that_forgot_revisions_is_not_followed_after_a_restart(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates, 3) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 3)
        async with (
            coordinator(certificates, 1, member(PEER)) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: hub.watched > 1)
            assert under_test.current.revision == 3
            assert not under_test.current.state().members

    asyncio.run(story())


def _cut(content: bytes) -> bytes:
    return content[:-100]


def _flipped(content: bytes) -> bytes:
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


def _emptied(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("break_it", [_cut, _flipped, _emptied])
def test_a_broken_copy_is_told_and_ignored(
    break_it: Callable[[bytes], bytes],
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy = tmp_path / "data" / FILE_NAME

    async def story() -> None:
        async with coordinator(certificates, 3) as hub:
            async with (
                node(certificates, tmp_path / "data", hub.endpoint) as under_test,
                running(under_test.client.follow()),
            ):
                await eventually(lambda: under_test.current.revision == 3)
            good = copy.read_bytes()
            copy.write_bytes(break_it(good))
            async with node(certificates, tmp_path / "data", hub.endpoint) as under_test:
                assert under_test.current.revision == 0
                assert f"{copy} is ignored" in caplog.text
                async with running(under_test.client.follow()):
                    await eventually(lambda: under_test.current.revision == 3)
            assert copy.read_bytes() == good

    asyncio.run(story())


def test_a_node_that_cannot_keep_a_copy_works_on_and_tells_it_once(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data" / FILE_NAME).mkdir()

    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            for revision in (2, 3):
                hub.change(revision)
                await eventually(lambda revision=revision: under_test.current.revision == revision)  # type: ignore[misc]

    asyncio.run(story())
    assert caplog.text.count("cannot be written") == 1
    assert [path.name for path in (tmp_path / "data").glob(".*")] == []


def test_a_node_follows_another_coordinator_when_its_own_is_gone(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            one = await first.enter_async_context(coordinator(certificates, 2))
            two = await second.enter_async_context(coordinator(certificates, 2, replica=1))
            async with (
                node(certificates, tmp_path / "data", one.endpoint, two.endpoint) as under_test,
                running(under_test.client.follow()),
            ):
                await eventually(lambda: under_test.current.revision == 2)
                await (first if one.watchers else second).aclose()
                (two if one.watched else one).change(3)
                await eventually(lambda: under_test.current.revision == 3)

    asyncio.run(story())


def test_every_coordinator_hears_the_heartbeat_though_one_does_not_answer(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            coordinator(certificates, replica=1) as other,
            node(certificates, tmp_path / "data", NOTHING_LISTENS, hub.endpoint, other.endpoint) as under_test,
            running(under_test.client.stay_joined(ENDPOINT)),
        ):
            await eventually(lambda: len(hub.joins) > 2 and len(other.joins) > 2)

    asyncio.run(story())


def test_the_heartbeat_says_what_the_node_is_and_signs_the_end_of_its_audit_chain(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates, 9) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
        ):
            for _ in range(3):
                await under_test.store.write(
                    lambda tx: audit.append(tx, now=CLOCK.now(), actor="a", action="b", subject="c")
                )
            async with running(under_test.client.follow(), under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: any(join.federation_revision == 9 for join in hub.joins))
            join = hub.joins[-1]
            assert (join.endpoint, join.leaving) == (ENDPOINT, False)
            keys = TrustedKeys(certificates.authority.certificate_pem, FEDERATION)
            keys.accept(REGION, join.signing_certificate, CLOCK.now())
            head = await under_test.store.read(audit.head)
            assert (join.audit_head.sequence, join.audit_head.hash) == (3, head.hash)
            assert keys.verify(REGION, AUDIT_HEAD, head.signed_bytes(), join.audit_head.signature)

    asyncio.run(story())


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_clock_that_is_far_from_the_federations_is_not_trusted_until_it_is_right(
    certificates: Certificates, tmp_path: Path, ahead: timedelta
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.stay_joined(ENDPOINT)),
        ):
            hub.clock_ahead = ahead
            await eventually(lambda: not is_clock_trusted(under_test.current))
            hub.clock_ahead = timedelta(0)
            await eventually(lambda: is_clock_trusted(under_test.current))

    asyncio.run(story())


def test_one_wrong_clock_among_three_coordinators_stops_nobody(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            hubs = [await stack.enter_async_context(coordinator(certificates, replica=replica)) for replica in range(3)]
            hubs[0].clock_ahead = timedelta(hours=1)
            under_test = await stack.enter_async_context(
                node(certificates, tmp_path / "data", *(hub.endpoint for hub in hubs))
            )
            await stack.enter_async_context(running(under_test.client.stay_joined(ENDPOINT)))
            await eventually(lambda: all(len(hub.joins) > 2 for hub in hubs))
            assert is_clock_trusted(under_test.current)

    asyncio.run(story())


def is_clock_trusted(current: CurrentFederation) -> bool:
    try:
        current.require_trusted_clock()
    except Refused as refused:
        return refused.reason != Reason.REASON_CLOCK_UNTRUSTED
    return True


def test_leaving_is_told_to_every_coordinator_though_one_does_not_answer(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            coordinator(certificates, replica=1) as other,
            node(certificates, tmp_path / "data", NOTHING_LISTENS, hub.endpoint, other.endpoint) as under_test,
        ):
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: bool(hub.joins and other.joins))
            await under_test.client.leave(ENDPOINT)
            for each in (hub, other):
                assert (each.joins[-1].endpoint, each.joins[-1].leaving) == (ENDPOINT, True)

    asyncio.run(story())


def test_a_coordinator_that_refuses_is_asked_again_and_told_once(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, sleep=at_once) as under_test,
        ):
            hub.refusal = Refused(Reason.REASON_REGION_SUSPENDED, region=REGION)
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: len(hub.joins) > 5)
                hub.refusal = None
                await eventually(lambda: "joined" in caplog.text)

    asyncio.run(story())
    told = [record.levelname for record in caplog.records if "heartbeat to coordinator" in record.message]
    assert told == ["WARNING", "INFO"]


def test_a_coordinator_that_is_not_there_is_told_once(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = 0

    async def counted(seconds: float) -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0)

    async def story() -> None:
        async with (
            node(certificates, tmp_path / "data", NOTHING_LISTENS, sleep=counted) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: attempts > 20)

    asyncio.run(story())
    assert caplog.text.count("federation state of coordinator") == 1
