"""The heartbeat of a node: a real client against real servers on loopback, mTLS on."""

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState, NodeReport
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.capabilities import own_capabilities
from gateway.security.sealing_keys import prover_of
from gateway.security.signing import AUDIT_HEAD, TrustedKeys
from gateway.store import losses
from gateway.store.losses import Loss
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import to_timestamp
from tests.contract.membership_node import (
    ENDPOINT,
    ORDERS_PER_MINUTE,
    REGION,
    VERSION,
    at_once,
    eventually,
    node,
    running,
    signer_of,
)
from tests.contract.small_federation import CLOCK, FEDERATION, LIFE, NOTHING_LISTENS, Certificates, coordinator
from tests.keys import region_keys


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    (tmp_path / "data").mkdir()
    return Certificates(tmp_path / "certificates")


def test_coordinators_take_turns_to_hear_the_heartbeat_and_one_that_does_not_answer_costs_none(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        beats = 0

        async def counted(seconds: float) -> None:
            nonlocal beats
            beats += 1
            await asyncio.sleep(0)

        async with (
            coordinator(certificates) as hub,
            coordinator(certificates, replica=1) as other,
            node(
                certificates, tmp_path / "data", NOTHING_LISTENS, hub.endpoint, other.endpoint, sleep=counted
            ) as under_test,
            running(under_test.client.stay_joined(ENDPOINT)),
        ):
            await eventually(lambda: len(hub.joins) > 5 and len(other.joins) > 5)
            # One of them heard each, with no wait in between for the one that is not there.
            assert beats <= len(hub.joins) + len(other.joins) <= beats + 1

    asyncio.run(story())


def test_a_heartbeat_tells_no_audit_head_while_a_loss_is_open(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, sleep=at_once) as under_test,
        ):
            loss = Loss(1, 0, "coordinator", 2, 3, 0, 10_004)
            await under_test.store.write(lambda tx: losses.keep(tx, loss))
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: len(hub.joins) > 0)
                assert not hub.joins[0].HasField("audit_head"), "the newer database may be put back"
                accepted = loss._replace(accept_time=1)
                await under_test.store.write(lambda tx: losses.keep(tx, accepted))
                await eventually(lambda: hub.joins[-1].HasField("audit_head"))

    asyncio.run(story())


def test_a_coordinator_that_refuses_the_heartbeat_is_passed_over(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            coordinator(certificates, replica=1) as other,
            node(certificates, tmp_path / "data", hub.endpoint, other.endpoint, sleep=at_once) as under_test,
        ):
            hub.refusal = Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: len(hub.joins) > 3)
            assert len(other.joins) >= len(hub.joins) - 1

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
            assert join.sealing_key.key == region_keys(REGION).set.in_use.sealing.public
            assert prover_of(REGION, join.sealing_key, keys.signer_of) is not None
            assert join.capabilities == own_capabilities()
            own = certificates.credentials("region/sichuan")
            begin, end = (to_timestamp(each(CLOCK.now())) for each in (own.begin, own.end))
            told = NodeReport(
                certificate_begin_time=begin,
                certificate_end_time=end,
                version=VERSION.told(),
                orders_per_minute=ORDERS_PER_MINUTE,
            )
            assert join.report == told

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
            await eventually(lambda: not is_clock_trusted(under_test.border.clock))
            hub.clock_ahead = timedelta(0)
            await eventually(lambda: is_clock_trusted(under_test.border.clock))

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
            assert is_clock_trusted(under_test.border.clock)

    asyncio.run(story())


def is_clock_trusted(clock: AgreedClock) -> bool:
    try:
        clock.require_trusted()
    except Refused as refused:
        return refused.reason != Reason.REASON_CLOCK_UNTRUSTED
    return True


def test_leaving_is_told_to_one_coordinator_that_hears_it(certificates: Certificates, tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            coordinator(certificates, replica=1) as other,
            node(certificates, tmp_path / "data", NOTHING_LISTENS, hub.endpoint, other.endpoint) as under_test,
        ):
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: bool(hub.joins and other.joins))
            hub.refusal = Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
            await under_test.client.leave(ENDPOINT)
            goodbyes = [join.endpoint for join in other.joins if join.leaving]
            assert goodbyes == [ENDPOINT]

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


class Wrong:
    """A clock that is ahead by more than certificates last, until it is set right."""

    ahead = LIFE + timedelta(hours=1)

    def now(self) -> datetime:
        return CLOCK.now() + self.ahead


def test_a_certificate_that_a_wrong_clock_took_for_expired_is_trusted_once_the_clock_is_right(
    certificates: Certificates, tmp_path: Path
) -> None:
    issued = certificates.issue("region/henan")
    assert issued.signing is not None
    peer = Member(
        region="henan", state=MemberState.MEMBER_STATE_JOINED, signing_certificate=issued.signing.certificate_pem
    )

    async def story() -> None:
        clock = Wrong()
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, clock=clock) as under_test,
            running(under_test.client.follow()),
        ):
            hub.change(2, peer)
            await eventually(lambda: under_test.current.revision == 2)
            assert not under_test.trusts("henan", signer_of(issued))
            clock.ahead = timedelta(0)
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: under_test.trusts("henan", signer_of(issued)))

    asyncio.run(story())


def test_while_clocks_disagree_no_key_of_a_region_expires(certificates: Certificates, tmp_path: Path) -> None:
    issued = certificates.issue("region/henan")
    assert issued.signing is not None
    pem = issued.signing.certificate_pem

    async def story() -> None:
        clock = Wrong()
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, clock=clock) as under_test,
        ):
            under_test.border.keys.accept("henan", pem, CLOCK.now())
            under_test.border.clock.hear(hub.endpoint, clock.now())
            hub.clock_ahead = clock.ahead
            async with running(under_test.client.stay_joined(ENDPOINT)):
                await eventually(lambda: len(hub.joins) > 2)
                assert under_test.trusts("henan", signer_of(issued))
                hub.clock_ahead = timedelta(0)
                await eventually(lambda: not under_test.trusts("henan", signer_of(issued)))

    asyncio.run(story())
