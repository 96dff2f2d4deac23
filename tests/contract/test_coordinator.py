"""Membership and configuration: real coordinators, real callers, mTLS on."""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

import grpc
import pytest

from coordinator.app import start as start_coordinator
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationRequest,
    ReinstateRegionRequest,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import GetAuditHeadRequest, MemberState
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.errors import Refused, reason_name
from gateway.rpc.channels import invoke
from gateway.rpc.ports import PortInUse
from gateway.security.sealing_keys import published
from gateway.store.port import DatabaseInUse
from gateway.time.clock import BETWEEN_TRUSTED, to_timestamp
from tests.contract.coordinators import (
    ADMIN,
    PATIENCE_S,
    SHORT_LEASE,
    federation,
    join_request,
    keys_of,
    next_of,
    refused,
    run,
    settings,
    stands,
    told,
)
from tests.contract.small_federation import CLOCK, CONFIGURATION, Certificates
from tests.keys import region_keys

JOINED, LOST = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_LOST
ABSENT, SUSPENDED = MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_SUSPENDED


@pytest.fixture(name="data")
def data_directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


class SteppingClock:
    """The machine's clock, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return CLOCK.now() + self.ahead

    def steady(self) -> float:
        return CLOCK.steady()


def changed(**fields: str) -> Configuration:
    """The shipped configuration with another Chinese name for Sichuan."""
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    region = next(each for each in configuration.regions if each.id == "sichuan")
    region.name.zh_cn = fields["name"]
    return configuration


def test_a_node_joins_and_is_seen_by_all_who_watch(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            assert await it.apply() == 1
            watching = it.watch("henan")
            first = await next_of(watching)
            assert (first.federation_revision, first.configuration) == (1, CONFIGURATION)
            assert {member.state for member in first.members} == {ABSENT}
            assert len(first.members) == len(CONFIGURATION.regions)
            answer = await it.join(sichuan)
            assert answer.federation_revision == 1
            assert answer.interval.ToTimedelta() > timedelta(0)
            second = await next_of(watching)
            member = stands(second, "sichuan")
            assert (member.state, list(member.endpoints)) == (JOINED, ["127.0.0.1:7443"])
            assert member.signing_certificate == sichuan.certificate
            assert not second.HasField("configuration")

    run(scenario())


def test_a_watcher_that_has_the_configuration_is_sent_it_only_when_it_changes(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            watching = it.watch("sichuan", revision=1)
            assert not (await next_of(watching)).HasField("configuration")
            await it.apply(changed(name="天府"))
            response = await next_of(watching)
            assert (response.federation_revision, response.configuration) == (2, changed(name="天府"))

    run(scenario())


def test_a_node_that_comes_before_the_first_configuration_is_sent_it_at_once(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            assert (await it.join(keys_of(certificates, "sichuan"))).federation_revision == 0
            first = asyncio.create_task(next_of(it.watch("sichuan")))
            await it.apply()
            response = await first
            assert response.federation_revision == 1
            assert stands(response, "sichuan").state == JOINED

    run(scenario())


def test_a_node_that_falls_silent_is_lost_and_all_who_watch_are_told(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data, lease=SHORT_LEASE) as it:
            await it.apply()
            watching = it.watch("henan")
            await next_of(watching)  # a stream that opens late would show the region only once it is lost
            await it.join(keys_of(certificates, "sichuan"))
            await told(watching, "sichuan", JOINED)
            response = await told(watching, "sichuan", LOST)
            member = stands(response, "sichuan")
            assert not member.endpoints
            assert member.signing_certificate
            assert member.state_time.ToNanoseconds() >= member.heartbeat_time.ToNanoseconds()

    run(scenario())


def test_a_stepped_clock_loses_nobody(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        clock = SteppingClock()
        async with federation(certificates, data, lease=600.0, clock=clock) as it:
            await it.apply()
            await it.join(keys_of(certificates, "sichuan"))
            for step in (30, -30):
                clock.ahead = timedelta(minutes=step)
                assert (await it.member("sichuan")).state == JOINED

    run(scenario())


def test_a_node_that_leaves_takes_only_its_own_endpoint_along(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            for port in (1, 2):
                await it.join(sichuan, join_request(sichuan, f"127.0.0.1:{port}"))
            assert list((await it.member("sichuan")).endpoints) == ["127.0.0.1:1", "127.0.0.1:2"]
            for port, state in ((1, JOINED), (2, LOST)):
                request = join_request(sichuan, f"127.0.0.1:{port}")
                request.leaving = True
                await it.join(sichuan, request)
                assert (await it.member("sichuan")).state == state

    run(scenario())


def test_the_difference_of_clocks_is_shown(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan)
            request.node_time.CopyFrom(to_timestamp(CLOCK.now() + timedelta(minutes=5)))
            await it.join(sichuan, request)
            error = (await it.member("sichuan")).clock_error.ToTimedelta()
            assert timedelta(minutes=4) < error < timedelta(minutes=6)

    run(scenario())


def test_a_region_that_the_configuration_does_not_name_cannot_join(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            assert await refused(it.join(keys_of(certificates, "atlantis"))) == "REGION_UNKNOWN"

    run(scenario())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request.ClearField("endpoint"),
        lambda request: setattr(request, "endpoint", "sichuan.example:0"),
        lambda request: setattr(request, "endpoint", "unix:/run/node.sock"),
        lambda request: request.ClearField("node_time"),
        lambda request: request.ClearField("signing_certificate"),
        lambda request: setattr(request, "signing_certificate", request.signing_certificate + b"#" * 16384),
        lambda request: setattr(request.audit_head, "hash", b"short"),
        lambda request: setattr(request.sealing_key, "sign_time_us", 1),
        lambda request: setattr(request.sealing_key, "key", bytes(32)),
        lambda request: request.capabilities.capabilities.add(name="#" * 16384),
        lambda request: setattr(request.report, "unreadable", "#" * 16384),
        lambda request: setattr(request.report.waiting.add().create_time, "seconds", 10**15),
        lambda request: setattr(request.report.open_breakers.add().open_time, "seconds", -(10**15)),
        lambda request: request.report.open_breakers.add(failure="henan is down"),
        lambda request: request.report.open_breakers.add(failure="X" * 65),
        lambda request: setattr(request.report.certificate_end_time, "seconds", -62135596800),
        lambda request: setattr(request.report.anomalies.add().begin_time, "seconds", 10**15),
    ],
    ids=[
        "no endpoint",
        "port 0",
        "no host",
        "no time",
        "no certificate",
        "large certificate",
        "short hash",
        "other time",
        "other key",
        "large capabilities",
        "large report",
        "waiting since no time",
        "breaker of no time",
        "breaker with a free text",
        "breaker with a long name",
        "certificate of year one",
        "anomalies since no time",
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_refused(certificates: Certificates, data: Path, spoil: object) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan)
            assert callable(spoil)
            spoil(request)
            assert await refused(it.join(sichuan, request)) == "REQUEST_INVALID"
            assert (await it.member("sichuan")).state == ABSENT

    run(scenario())


def test_what_is_to_be_sealed_for_a_region_is_told_to_all_and_kept_while_it_is_away(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        sichuan, keys = keys_of(certificates, "sichuan"), region_keys("sichuan").set
        async with federation(certificates, data) as it:
            await it.apply()
            old = join_request(sichuan)
            old.ClearField("sealing_key")
            await it.join(sichuan, old)
            assert not (await it.member("sichuan")).HasField("sealing_key")
            first = join_request(sichuan)
            await it.join(sichuan, first)
            assert (await it.member("sichuan")).sealing_key == first.sealing_key
            ahead = join_request(sichuan)
            ahead.node_time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
            ahead.sealing_key.CopyFrom(published(keys.rotated(), sichuan.signer, CLOCK.now() + timedelta(minutes=5)))
            await it.join(sichuan, ahead)
            assert (await it.member("sichuan")).sealing_key == first.sealing_key, "of a clock that is wrong"
            invented = join_request(sichuan)
            invented.sealing_key.CopyFrom(published(keys.rotated(), sichuan.signer, CLOCK.now() + timedelta(days=9)))
            await it.join(sichuan, invented)
            assert (await it.member("sichuan")).sealing_key == first.sealing_key, "of no clock at all"
            rotated = join_request(sichuan)
            rotated.node_time.FromDatetime(signed := CLOCK.now() + BETWEEN_TRUSTED)
            rotated.sealing_key.CopyFrom(published(keys.rotated(), sichuan.signer, signed))
            await it.join(sichuan, rotated)
        async with federation(certificates, data) as it:
            assert (await it.member("sichuan")).sealing_key == rotated.sealing_key

    run(scenario())


def test_a_region_cannot_join_with_the_signing_certificate_of_another(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(keys_of(certificates, "henan"))
            assert await refused(it.join(keys_of(certificates, "sichuan"), request)) == "REQUEST_INVALID"

    run(scenario())


def test_a_suspended_region_is_shown_so_and_is_back_when_reinstated(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            await it.join(keys_of(certificates, "sichuan"))
            stub = MembershipServiceStub(it.as_(ADMIN))
            watching = it.watch("henan")
            request = SuspendRegionRequest(region="sichuan", note="key under suspicion")
            member = (await invoke(stub.SuspendRegion, request, PATIENCE_S)).member
            assert (member.state, member.state_note) == (SUSPENDED, "key under suspicion (by admin/root)")
            await told(watching, "sichuan", SUSPENDED)
            again = ReinstateRegionRequest(region="sichuan")
            assert (await invoke(stub.ReinstateRegion, again, PATIENCE_S)).member.state == JOINED
            await told(watching, "sichuan", JOINED)
            actions = [(row.actor, row.action) for row in it.audit_rows()]
            assert (ADMIN, "REGION_SUSPENDED") in actions
            assert (ADMIN, "REGION_REINSTATED") in actions

    run(scenario())


@pytest.mark.parametrize(
    ("region", "note", "reason"),
    [
        ("atlantis", "note", "REGION_UNKNOWN"),
        ("sichuan", " ", "REQUEST_INVALID"),
        ("sichuan", "n" * 257, "REQUEST_INVALID"),
        ("sichuan", "two\nlines", "CHARACTER_NOT_ALLOWED"),
    ],
)
def test_a_suspension_that_makes_no_sense_changes_nothing(
    certificates: Certificates, data: Path, region: str, note: str, reason: str
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            stub = MembershipServiceStub(it.as_(ADMIN))
            request = SuspendRegionRequest(region=region, note=note)
            assert await refused(invoke(stub.SuspendRegion, request, PATIENCE_S)) == reason
            assert (await it.member("sichuan")).state == ABSENT

    run(scenario())


def test_an_audit_head_is_given_back_and_only_a_further_one_replaces_it(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            stub = FederationServiceStub(it.as_("region/sichuan"))
            empty = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), PATIENCE_S)
            assert not empty.HasField("audit_head")
            for sequence, filler in ((5, b"a"), (3, b"a"), (5, b"b")):
                request = join_request(sichuan)
                request.audit_head.CopyFrom(sichuan.audit_head(sequence, filler))
                await it.join(sichuan, request)
            kept = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), PATIENCE_S)
            assert kept.audit_head == sichuan.audit_head(5)
            rows = [row for row in it.audit_rows() if row.action == "AUDIT_HEAD_CONTRADICTED"]
            assert [row.actor for row in rows] == ["region/sichuan"]

    with caplog.at_level(logging.ERROR):
        run(scenario())
    assert [record.name for record in caplog.records if "AUDIT_HEAD_CONTRADICTED" in record.message]


def test_an_audit_head_that_the_region_did_not_sign_is_refused(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan)
            request.audit_head.CopyFrom(keys_of(certificates, "henan").audit_head(5))
            assert await refused(it.join(sichuan, request)) == "REQUEST_INVALID"

    run(scenario())


def test_a_configuration_that_another_was_faster_with_is_refused(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            await it.apply()
            await it.apply(changed(name="天府"))
            late = ApplyConfigurationRequest(configuration=changed(name="蜀"), expected_revision=1)
            assert await refused(invoke(stub.ApplyConfiguration, late, PATIENCE_S)) == "CONFIGURATION_CHANGED"
            late.validate_only = True
            assert await refused(invoke(stub.ApplyConfiguration, late, PATIENCE_S)) == "CONFIGURATION_CHANGED"
            repeated = ApplyConfigurationRequest(configuration=changed(name="天府"), expected_revision=1)
            assert (await invoke(stub.ApplyConfiguration, repeated, PATIENCE_S)).federation_revision == 2
            found = await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)
            assert (found.federation_revision, found.configuration) == (2, changed(name="天府"))

    run(scenario())


def test_a_check_changes_nothing(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            request = ApplyConfigurationRequest(configuration=CONFIGURATION, validate_only=True)
            assert (await invoke(stub.ApplyConfiguration, request, PATIENCE_S)).federation_revision == 0
            found = await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)
            assert not found.HasField("configuration")

    run(scenario())


def test_an_invalid_configuration_is_refused_with_what_is_wrong(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            wrong = Configuration(federation="another.example")
            for validate_only in (True, False):
                request = ApplyConfigurationRequest(configuration=wrong, validate_only=validate_only)
                with pytest.raises(Refused) as refusal:
                    await invoke(stub.ApplyConfiguration, request, PATIENCE_S)
                assert reason_name(refusal.value.reason) == "CONFIGURATION_INVALID"
                assert "belongs to crossregion.example" in refusal.value.parameters["problem"]
                assert "regions: there is none" in refusal.value.parameters["problem"]

    run(scenario())


def test_a_restart_keeps_revisions_regions_suspensions_and_heads(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            await it.apply(changed(name="天府"))
            request = join_request(sichuan)
            request.audit_head.CopyFrom(sichuan.audit_head(5))
            await it.join(sichuan, request)
            suspension = SuspendRegionRequest(region="henan", note="note")
            await invoke(MembershipServiceStub(it.as_(ADMIN)).SuspendRegion, suspension, PATIENCE_S)
        async with federation(certificates, data) as it:
            member = await it.member("sichuan")
            assert (member.state, member.signing_certificate) == (LOST, sichuan.certificate)
            assert (await it.member("henan")).state == SUSPENDED
            assert (await it.member("hunan")).state == ABSENT
            stub = FederationServiceStub(it.as_("region/sichuan"))
            kept = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), PATIENCE_S)
            assert kept.audit_head == sichuan.audit_head(5)
            assert await it.apply() == 3

    run(scenario())


def test_a_coordinator_that_forgot_a_revision_raises_the_alarm(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan)
            request.federation_revision = 9
            await it.join(sichuan, request)
            assert ("region/sichuan", "configuration") in [(row.actor, row.subject) for row in it.audit_rows()]

    with caplog.at_level(logging.ERROR):
        run(scenario())
    assert "was the coordinator's database lost?" in caplog.text


def test_a_second_coordinator_on_the_same_database_does_not_start(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data):
            with pytest.raises(DatabaseInUse, match="is in use by process"):
                await start_coordinator(settings(certificates, data))
        # Its lock goes with it.
        async with federation(certificates, data):
            pass

    run(scenario())


def test_a_second_coordinator_on_the_same_port_does_not_start_and_leaves_nothing_open(
    certificates: Certificates, data: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        other = tmp_path / "other"
        async with federation(certificates, data) as it:
            with pytest.raises(PortInUse, match="cannot listen on"):
                await start_coordinator(settings(certificates, other, listen=it.endpoint))
        async with federation(certificates, other):
            pass

    run(scenario())


def test_a_coordinator_that_is_told_to_stop_ends_its_streams_well(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            watching = it.watch("sichuan")
            await next_of(watching)
            stopping = asyncio.create_task(it.coordinator.stop())
            assert await watching.read() is grpc.aio.EOF
            assert await watching.code() == grpc.StatusCode.OK
            await stopping

    run(scenario())
