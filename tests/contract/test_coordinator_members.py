"""What a coordinator takes from members that are suspended, or that say more than they should."""

import logging
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from coordinator.membership.service import ENDPOINTS_PER_REGION, WATCHES_PER_REGION
from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.case_service_pb2 import TellCaseRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.coordinator.v1.planned_outage_service_pb2 import HoldWindowRequest
from gateway.api.coordinator.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.api.coordinator.v1.problem_service_pb2 import TellAffectedRequest, TellEventRequest
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.channels import invoke
from gateway.errors import Refused, from_rpc_error, reason_name
from tests.contract.coordinators import (
    ADMIN,
    PATIENCE_S,
    Watching,
    federation,
    join_request,
    keys_of,
    next_of,
    refused,
    run,
    told,
)
from tests.contract.small_federation import CLOCK, CONFIGURATION, Certificates


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


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
                "TellCase": invoke(CaseServiceStub(own).TellCase, TellCaseRequest(), PATIENCE_S),
                "HoldWindow": invoke(PlannedOutageServiceStub(own).HoldWindow, HoldWindowRequest(), PATIENCE_S),
                "TellEvent": invoke(ProblemServiceStub(own).TellEvent, TellEventRequest(), PATIENCE_S),
                "TellAffected": invoke(ProblemServiceStub(own).TellAffected, TellAffectedRequest(), PATIENCE_S),
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
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data, clock=CLOCK) as it:
            await it.apply()
            before, outcomes = len(it.audit_rows()), Counter[str]()
            for number in range(6 * ENDPOINTS_PER_REGION):
                request = join_request(sichuan, f"127.0.0.1:{10_000 + number}")
                request.federation_revision = 1_000 + number
                request.time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
                for request.leaving in (False, True):
                    outcomes[await outcome(it.join(sichuan, request))] += 1
            assert outcomes["HEARTBEATS_TOO_MANY"] > outcomes["done"]
            actions = Counter(row.action for row in it.audit_rows()[before:])
            assert actions == {"REGION_JOINED": 1, "REVISION_UNKNOWN": 1}

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert 0 < len([each for each in caplog.records if "clock of sichuan" in each.message]) <= 2 * ENDPOINTS_PER_REGION


def test_leaving_says_nothing_of_a_process_that_was_not_there(
    certificates: Certificates, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, data) as it:
            await it.apply()
            request = join_request(sichuan, "127.0.0.1:9999")
            request.leaving, request.federation_revision = True, 77
            request.time.FromDatetime(CLOCK.now() + timedelta(minutes=5))
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
