"""A coordinator's handling of suspended members, and of members that report more than they should."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from coordinator.membership.service import (
    ENDPOINTS_PER_REGION,
    KEY_CHANGES,
    NEWCOMERS_SECONDS,
    WATCHES_PER_REGION,
)
from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.rules import Heartbeat
from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.case_service_pb2 import ReportCaseRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceStub
from gateway.api.coordinator.v1.problem_service_pb2 import ReportAffectedRequest, ReportEventRequest
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.errors import Refused, from_rpc_error, reason_name
from gateway.rpc.channels import invoke
from gateway.security.identity import parse
from gateway.security.sealing_keys import is_proven_by, published
from tests.contract.coordinators import (
    ADMIN,
    HEARTBEAT_S,
    PATIENCE_S,
    RegionKeys,
    Watching,
    federation,
    join_request,
    keys_of,
    next_of,
    refused,
    run,
    told,
)
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, HOUR, LIFE, NOW, Certificates
from tests.keys import region_keys


@pytest.fixture(name="data")
def data_directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def renamed() -> Configuration:
    """The shipped configuration with another Chinese name for its first region."""
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    configuration.regions[0].name.zh_cn = "天府"
    return configuration


def test_a_suspended_region_neither_joins_nor_follows_nor_tells_until_it_is_reinstated(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            await it.join(sichuan)
            members, own = MembershipServiceStub(it.as_(ADMIN)), it.as_("region/sichuan")
            following = it.watch("sichuan")
            await next_of(following)
            await invoke(members.SuspendRegion, SuspendRegionRequest(region="sichuan", note="why"), PATIENCE_S)
            last = await told(following, "sichuan", MemberState.MEMBER_STATE_SUSPENDED)
            assert not last.HasField("configuration")
            await it.apply(renamed())
            assert await stream_refused(following) == "REGION_SUSPENDED"
            assert await stream_refused(it.watch("sichuan")) == "REGION_SUSPENDED"
            assert await refused(it.join(sichuan)) == "REGION_SUSPENDED"
            calls = {
                "ReportCase": invoke(CaseServiceStub(own).ReportCase, ReportCaseRequest(), PATIENCE_S),
                "HoldPlannedOutage": invoke(
                    PlannedOutageRegistryServiceStub(own).HoldPlannedOutage, HoldPlannedOutageRequest(), PATIENCE_S
                ),
                "ReportEvent": invoke(ProblemServiceStub(own).ReportEvent, ReportEventRequest(), PATIENCE_S),
                "ReportAffected": invoke(ProblemServiceStub(own).ReportAffected, ReportAffectedRequest(), PATIENCE_S),
            }
            told_to = {name: await refused(call) for name, call in calls.items()}
            assert told_to == dict.fromkeys(calls, "REGION_SUSPENDED")
            await invoke(members.ReinstateRegion, ReinstateRegionRequest(region="sichuan"), PATIENCE_S)
            await it.join(sichuan)
            assert (await next_of(it.watch("sichuan"))).configuration == renamed()

    run(scenario())


async def stream_refused(watching: Watching) -> str:
    """The reason with which a stream ends."""
    try:
        while await watching.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as ended:
        refusal = from_rpc_error(ended)
        assert refusal is not None
        return reason_name(refusal.reason)
    raise AssertionError("the stream ended without a reason")


def test_a_region_that_invents_processes_and_revisions_fills_neither_chain_nor_log_nor_memory(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = time.monotonic()

    def allowed(seconds: float) -> float:
        """The most in the time so far, where twice the processes of a region are allowed in so many seconds."""
        return 2 * ENDPOINTS_PER_REGION * (1 + (time.monotonic() - started) / seconds)

    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data, clock=CLOCK) as it:
            await it.apply()
            before, outcomes = len(it.audit_rows()), Counter[tuple[str, bool]]()
            for number in range(6 * ENDPOINTS_PER_REGION):
                request = join_request(sichuan, f"127.0.0.1:{10_000 + number}")
                request.federation_revision = 1_000 + number
                request.node_time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
                for request.leaving in (False, True):
                    outcomes[await outcome(it.join(sichuan, request)), request.leaving] += 1
            assert 0 < outcomes["done", False] <= allowed(NEWCOMERS_SECONDS)
            assert outcomes["done", False] + outcomes["done", True] <= allowed(HEARTBEAT_S)
            actions = Counter(row.action for row in it.audit_rows()[before:])
            assert actions == {"REGION_JOINED": 1, "REVISION_UNKNOWN": 1}

    with caplog.at_level(logging.INFO):
        run(scenario())
    of_clocks = [each for each in caplog.records if "clock of sichuan" in each.message]
    assert 0 < len(of_clocks) <= allowed(NEWCOMERS_SECONDS)


def test_endpoints_that_come_at_once_get_no_more_places_than_a_region_has(
    certificates: Certificates, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    come, write = ENDPOINTS_PER_REGION + 8, EmbeddedRegistry.beat
    looked, outcomes = Counter[str](), Counter[str]()

    async def scenario() -> None:
        sichuan, all_have_looked = keys_of(certificates, "sichuan"), asyncio.Event()

        def count(endpoint: str) -> None:
            looked[endpoint] += 1
            if len(looked) == come:
                all_have_looked.set()

        async def written_late(self: EmbeddedRegistry, region: str, heartbeat: Heartbeat) -> None:
            count(heartbeat.endpoint)
            await all_have_looked.wait()
            await write(self, region, heartbeat)

        async def join(endpoint: str) -> None:
            outcomes[await outcome(it.join(sichuan, join_request(sichuan, endpoint)))] += 1
            count(endpoint)

        async with federation(certificates, data) as it:
            await it.apply()
            await it.join(sichuan, join_request(sichuan, "127.0.0.1:10000"))
            monkeypatch.setattr(EmbeddedRegistry, "beat", written_late)
            await asyncio.gather(*(join(f"127.0.0.1:{10_000 + number}") for number in range(come)))
            assert len((await it.member("sichuan")).endpoints) == ENDPOINTS_PER_REGION

    run(scenario())
    assert outcomes == {"done": ENDPOINTS_PER_REGION, "REQUEST_INVALID": come - ENDPOINTS_PER_REGION}


def test_a_region_that_writes_around_its_certificate_changes_nothing_and_its_honest_process_stays(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            await it.join(sichuan)
            before = it.audit_rows()
            request = join_request(sichuan, "127.0.0.1:9999")
            for number in range(ENDPOINTS_PER_REGION):
                request.signing_certificate = sichuan.certificate + b"# %d\n" % number
                await it.join(sichuan, request)
            assert it.audit_rows() == before
            assert (await it.member("sichuan")).signing_certificate == sichuan.certificate
            await it.join(sichuan)
            request.signing_certificate = sichuan.certificate + certificates.authority.certificate_pem
            assert await refused(it.join(sichuan, request)) == "REQUEST_INVALID"

    run(scenario())


def succession(certificates: Certificates, count: int) -> list[RegionKeys]:
    """The signing keys of Sichuan, each certificate issued a second after the one before it."""
    who = parse(f"spiffe://{FEDERATION}/region/sichuan", FEDERATION)
    times = [NOW - HOUR + timedelta(seconds=number) for number in range(count)]
    return [RegionKeys("sichuan", certificates.authority.issue(who, each, NOW + LIFE)) for each in times]


def test_a_region_with_many_certificates_and_sealing_keys_fills_no_chain_and_its_present_one_still_joins(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        several, sealing = succession(certificates, KEY_CHANGES), region_keys("sichuan").set
        async with federation(certificates, data) as it:
            await it.apply()
            before, outcomes = len(it.audit_rows()), Counter[str]()
            for each in several:
                sealing = sealing.rotated()
                request = join_request(each)
                request.sealing_key.CopyFrom(published(sealing, each.signer, CLOCK.now()))
                outcomes[await outcome(it.join(each, request))] += 1
            assert outcomes["HEARTBEATS_TOO_MANY"] >= KEY_CHANGES // 3
            assert len(it.audit_rows()) - before <= KEY_CHANGES
            counting = await it.member("sichuan")
            (present,) = [each for each in several if each.certificate == counting.signing_certificate]
            request = join_request(present, "127.0.0.1:9999")
            request.sealing_key.CopyFrom(counting.sealing_key)
            await it.join(present, request)
            assert "127.0.0.1:9999" in (await it.member("sichuan")).endpoints

    run(scenario())


def test_the_sealing_key_of_a_region_is_proven_by_its_newest_certificate_whatever_came_before_and_after_it(
    certificates: Certificates, data: Path
) -> None:
    """Who learns of the region later has that certificate alone, as has everybody once the former one is revoked."""

    async def scenario() -> None:
        former, present = succession(certificates, 2)
        async with federation(certificates, data) as it:
            await it.apply()

            async def is_proven() -> bool:
                member = await it.member("sichuan")
                assert member.signing_certificate == present.certificate
                return is_proven_by(member.signing_certificate, member.sealing_key)

            await it.join(former)
            misdated = join_request(present)
            misdated.node_time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
            await it.join(present, misdated)
            assert not await is_proven(), "the clock of the first heartbeat was wrong"
            for endpoint in ("127.0.0.1:7443", "127.0.0.1:8443"):
                await it.join(present, join_request(present, endpoint))
                assert await is_proven()
            lagging = join_request(former, "127.0.0.1:9443")
            lagging.capabilities.capabilities.add(name="Enum", numbers=[1])
            await it.join(former, lagging)
            assert await is_proven(), "the same key by the former certificate takes no proof away"
            rotated = published(region_keys("sichuan").set.rotated(), former.signer, CLOCK.now())
            lagging.sealing_key.CopyFrom(rotated)
            await it.join(former, lagging)
            before = it.audit_rows()
            for _ in range(2):
                await it.join(present)
                assert await is_proven(), "a heartbeat without news of its own brings the proof back"
            assert [each.action for each in it.audit_rows()[len(before) :]] == ["SEALING_KEY_CHANGED"]

    run(scenario())


def test_processes_that_sign_by_the_former_and_by_the_present_certificate_stay_and_the_present_one_counts(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        former, present = succession(certificates, 2)
        async with federation(certificates, data) as it:
            await it.apply()
            for each in (former, present):
                await it.join(each)
            before = it.audit_rows()
            for _ in range(ENDPOINTS_PER_REGION // 2):
                for each in (former, present):
                    await it.join(each)
            await it.join(former, join_request(former, "127.0.0.1:9999"))
            assert it.audit_rows() == before
            assert (await it.member("sichuan")).signing_certificate == present.certificate
        async with federation(certificates, data) as it:
            assert await refused(it.join(former)) == "REQUEST_INVALID", "it was known before the restart"
            await it.join(present)

    run(scenario())


def test_the_log_tells_of_a_region_only_what_has_changed(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            for number in range(3):
                await it.join(sichuan, join_request(sichuan, f"127.0.0.1:{7001 + number}"))
            request = join_request(sichuan, "127.0.0.1:7002")
            request.leaving = True
            await it.join(sichuan, request)

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert [each.message for each in caplog.records if each.message.startswith("sichuan ")] == [
        "sichuan is now joined, has come at 127.0.0.1:7001",
        "sichuan has come at 127.0.0.1:7002",
        "sichuan has come at 127.0.0.1:7003",
        "sichuan has gone at 127.0.0.1:7002",
    ]


def test_leaving_says_nothing_of_a_process_that_was_not_there(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan, "127.0.0.1:9999")
            request.leaving, request.federation_revision = True, 77
            request.node_time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
            before = it.audit_rows()
            await it.join(sichuan, request)
            assert it.audit_rows() == before

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert not [each for each in caplog.records if "clock of" in each.message]


def test_a_region_has_so_many_streams_of_the_federation_state_and_no_more(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            watches = [it.watch("sichuan") for _ in range(WATCHES_PER_REGION)]
            for each in watches:
                await next_of(each)
            assert await stream_refused(it.watch("sichuan")) == "WATCHES_TOO_MANY"
            await next_of(it.watch("henan"))
            watches[0].cancel()

            async def has_room() -> bool:
                again = it.watch("sichuan")
                try:
                    await next_of(again)
                except grpc.aio.AioRpcError:
                    return False
                return True

            while not await has_room():
                pass

    run(scenario())


async def outcome(call: Awaitable[object]) -> str:
    """The reason for which a call is refused, else `done`."""
    try:
        await call
    except Refused as refusal:
        return reason_name(refusal.reason)
    return "done"
