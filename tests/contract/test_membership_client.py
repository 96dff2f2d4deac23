"""A node and its coordinators: a real client against real servers on loopback, mTLS on."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, DataClass
from gateway.api.federation.v1.federation_pb2 import ChainHead, Member, MemberState, WatchResponse
from gateway.federation.current import CurrentFederation
from gateway.relay.lanes import Stop
from gateway.security.authority import CertificateSet
from gateway.security.identity import parse
from gateway.security.region_keys import KeySet
from gateway.security.sealing_keys import published
from gateway.security.signing import Signer
from gateway.time.clock import from_timestamp
from region_node.node.membership.last_good import FILE_NAME, LastGood
from tests.contract.membership_node import ENDPOINT, ORDERS_PER_MINUTE, eventually, node, running, signer_of
from tests.contract.small_federation import (
    CLOCK,
    CONFIGURATION,
    FEDERATION,
    HOUR,
    LIFE,
    NOTHING_LISTENS,
    NOW,
    Certificates,
    coordinator,
    new_authority,
)
from tests.keys import region_keys
from tests.later_version import LATER_VALUE

PEER = "henan"


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    (tmp_path / "data").mkdir()
    return Certificates(tmp_path / "certificates")


def member(region: str, issued: CertificateSet | None = None) -> Member:
    pem = issued.signing.certificate_pem if issued is not None and issued.signing is not None else b""
    return Member(region=region, state=MemberState.MEMBER_STATE_JOINED, signing_certificate=pem)


def sealed_to(member: Member, keys: KeySet, signer: Signer, seconds: int = 0) -> Member:
    """The member with a key that somebody has signed so much later."""
    told = Member()
    told.CopyFrom(member)
    told.sealing_key.CopyFrom(published(keys, signer, CLOCK.now() + timedelta(seconds=seconds)))
    return told


def _is_at(current: CurrentFederation, revision: int) -> bool:
    return current.revision == revision


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


def test_a_node_names_the_end_of_the_registry_that_it_was_told_last_after_a_restart_too(
    certificates: Certificates, tmp_path: Path
) -> None:
    head = ChainHead(chain="coordinator/0", sequence=7, hash=bytes(32), proof=b"known to the coordinator alone")
    state = WatchResponse(federation_revision=1, configuration=CONFIGURATION, members=[member(PEER)])

    async def story() -> None:
        data = tmp_path / "data"
        async with coordinator(certificates) as hub:
            hub.put(state)
            async with node(certificates, data, hub.endpoint) as under_test, running(under_test.client.follow()):
                await eventually(lambda: under_test.current.revision == 1)
                await eventually(LastGood(data).path.exists)
                written = LastGood(data).path.stat()
                state.registry_head.CopyFrom(head)
                hub.put(state)
                await eventually(lambda: LastGood(data).load_head() == head)
                assert LastGood(data).path.stat() == written, (
                    "the state itself, which may be large, is not written anew"
                )
            async with (
                node(certificates, data, hub.endpoint) as restarted,
                running(restarted.client.follow(), restarted.client.stay_joined(ENDPOINT)),
            ):
                await eventually(lambda: len(hub.heads) == 2 and bool(hub.joins))
            assert hub.heads == [ChainHead(), head]
            assert hub.joins[0].registry_head == head

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


def test_a_heartbeat_tells_the_lanes_and_the_end_of_the_certificate_that_is_in_the_files_now(
    certificates: Certificates, tmp_path: Path
) -> None:
    breakers, in_flight = {PEER: Stop(NOW, "REGION_SUSPENDED", 3)}, {PEER: 7, "henan": 2}

    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, breakers=breakers, in_flight=in_flight) as under_test,
            running(under_test.client.stay_joined(ENDPOINT)),
        ):
            await eventually(lambda: len(hub.joins) >= 2)
            first, second = hub.joins[0].report, hub.joins[1].report
            assert first == second, "a heartbeat without news is equal"
            [breaker] = first.open_breakers
            told = (breaker.destination, from_timestamp(breaker.open_time), breaker.failure, breaker.waiting)
            assert told == (PEER, NOW, "REGION_SUSPENDED", 3)
            assert [(each.destination, each.count) for each in first.in_flight] == sorted(in_flight.items())
            assert first.orders_per_minute == ORDERS_PER_MINUTE
            credentials = certificates.credentials("region/sichuan")
            assert from_timestamp(first.certificate_end_time) == credentials.end(NOW)
            breakers.clear()
            in_flight.clear()
            credentials.certificate.write_bytes(b"half a file")
            seen = len(hub.joins)
            await eventually(lambda: len(hub.joins) >= seen + 2)
            last = hub.joins[-1].report
            assert not last.open_breakers
            assert not last.in_flight
            assert last.certificate_end_time == first.certificate_end_time

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


def test_a_region_is_sealed_to_by_its_own_word_whatever_a_coordinator_says_and_after_a_restart_too(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        peer, keys = certificates.issue(f"region/{PEER}"), region_keys(PEER).set
        rotated, strange = keys.rotated(), region_keys("nobody").set
        joined, own = member(PEER, peer), signer_of(peer)
        former = sealed_to(joined, keys, own)
        async with (
            coordinator(certificates, 1, former) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            known = under_test.border.sealing_keys
            await eventually(lambda: known.of(PEER) == keys.in_use.sealing.public)
            meddler = signer_of(certificates.issue("region/guangdong"))
            hub.change(2, sealed_to(joined, strange, meddler, 1))
            await eventually(lambda: under_test.current.revision == 2)
            assert known.of(PEER) == keys.in_use.sealing.public
            hub.change(3, sealed_to(joined, rotated, own, 2))
            await eventually(lambda: known.of(PEER) == rotated.in_use.sealing.public)
            hub.change(4, former)
            await eventually(lambda: under_test.current.revision == 4)
            assert known.of(PEER) == rotated.in_use.sealing.public, "the former key does not come back"
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
            assert under_test.border.sealing_keys.of(PEER) == rotated.in_use.sealing.public

    asyncio.run(story())
    assert caplog.text.count(f"the sealing key of {PEER} is not signed by it") == 1


def test_the_former_certificate_of_a_region_is_not_trusted_again_whatever_a_coordinator_shows_and_after_a_restart_too(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        who = parse(f"spiffe://{FEDERATION}/region/{PEER}", FEDERATION)
        issued = [
            certificates.authority.issue(who, NOW - HOUR + timedelta(minutes=each), NOW + LIFE) for each in range(3)
        ]
        async with (
            coordinator(certificates, 1, member(PEER, issued[0])) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            for revision, each in enumerate([*issued, issued[0], issued[1]], 2):
                hub.change(revision, member(PEER, each))
                await eventually(partial(_is_at, under_test.current, revision))
            assert [under_test.trusts(PEER, signer_of(each)) for each in issued] == [False, True, True]
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
            assert [under_test.trusts(PEER, signer_of(each)) for each in issued] == [False, False, True]

    asyncio.run(story())
    assert caplog.text.count(f"the signing certificate of {PEER} is not trusted") == 1


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


def test_what_this_version_cannot_read_is_told_and_the_node_goes_on_by_the_revision_before(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = Configuration()
    later.CopyFrom(CONFIGURATION)
    later.regions[0].name.en = "Later"
    later.retention_rules[0].data_class = DataClass.ValueType(LATER_VALUE)
    suspended = Member(region=PEER, state=MemberState.MEMBER_STATE_SUSPENDED)

    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow(), under_test.client.stay_joined(ENDPOINT)),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            hub.change(2, configuration=later)
            unreadable = "revision 2 has retention_rules[0].data_class = 9999, which this version cannot read"
            await eventually(lambda: under_test.current.unreadable == unreadable)
            await eventually(lambda: hub.joins[-1].report.unreadable == unreadable)
            assert hub.joins[-1].federation_revision == 1
            hub.change(2, suspended, configuration=later)
            await eventually(lambda: under_test.current.state().member_state(PEER) == suspended.state)
            assert (hub.watched, under_test.current.revision) == (1, 1), (
                "who belongs to the federation is still followed"
            )
            hub.change(3)
            await eventually(lambda: under_test.current.revision == 3)
            assert under_test.current.unreadable == ""
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
            assert under_test.current.revision == 3

    asyncio.run(story())
    assert caplog.text.count("this node works by revision 1 until it is upgraded") == 1


def test_a_node_that_starts_anew_starts_by_the_revision_that_it_could_read(
    certificates: Certificates, tmp_path: Path
) -> None:
    later = Configuration()
    later.CopyFrom(CONFIGURATION)
    later.retention_rules[0].data_class = DataClass.ValueType(LATER_VALUE)

    async def story() -> None:
        async with coordinator(certificates) as hub:
            async with (
                node(certificates, tmp_path / "data", hub.endpoint) as under_test,
                running(under_test.client.follow()),
            ):
                await eventually(lambda: under_test.current.revision == 1)
                hub.change(2, member(PEER), configuration=later)
                state = under_test.current.state
                await eventually(lambda: state().member_state(PEER) == MemberState.MEMBER_STATE_JOINED)
                assert under_test.current.unreadable
            async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
                assert under_test.current.revision == 1
                assert under_test.current.state().member_state(PEER) == MemberState.MEMBER_STATE_JOINED

    asyncio.run(story())


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
