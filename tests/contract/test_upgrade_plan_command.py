"""`coordinator upgrade plan`, by real processes against a server."""

import asyncio
import json

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.federation.v1.federation_pb2 import Member, MemberProcess, MemberState, ProcessVersion
from gateway.federation.capabilities import FEATURES
from tests.contract.small_federation import NOTHING_LISTENS, Certificates
from tests.contract.test_coordinator_cli import command
from tests.contract.test_coordinator_cli_replicas import Membership, told_by

NEWEST = ProcessVersion(version="9.0.0", schema_number=999)


class Upgrading(Membership):
    """One coordinator, and a region whose process tells a version, or none."""

    region = ProcessVersion()
    is_one_away = False

    async def ListRegions(  # noqa: N802 - named by gRPC
        self,
        request: contract.ListRegionsRequest,
        context: grpc.aio.ServicerContext[contract.ListRegionsRequest, contract.ListRegionsResponse],
    ) -> contract.ListRegionsResponse:
        member = Member(
            region="sichuan",
            state=MemberState.MEMBER_STATE_JOINED,
            endpoints=["10.0.0.3:7000"],
            features=FEATURES,
            processes=[MemberProcess(endpoint="10.0.0.3:7000", version=self.region)],
        )
        away = Member(region="henan", state=MemberState.MEMBER_STATE_LOST, heartbeat_time=Timestamp(seconds=86_400))
        away.report.version.CopyFrom(ProcessVersion(version="8.7.6", schema_number=998))
        replica = contract.Replica(name="coordinator/0", endpoint="10.0.0.1:7000", version=NEWEST)
        return contract.ListRegionsResponse(members=[member, *([away] if self.is_one_away else [])], replicas=[replica])


def test_it_says_what_to_do_and_ends_with_1_until_all_are_at_one_version(certificates: Certificates) -> None:
    async def scenario() -> None:
        upgrading = Upgrading()
        async with told_by(certificates, upgrading) as endpoint:
            code, out, errors = await command(certificates, endpoint, "upgrade", "plan")
            assert (code, errors) == (1, "")
            assert "0.2.0 or older" in out
            assert "run `region-node migrate` in sichuan, and replace its process at 10.0.0.3:7000" in out
            code, out, _ = await command(certificates, endpoint, "upgrade", "plan", "--lang", "zh")
            assert code == 1
            assert "替换其位于10.0.0.3:7000的进程" in out
            code, out, _ = await command(certificates, endpoint, "upgrade", "plan", "--json")
            assert code == 1
            told = json.loads(out)
            assert told["target"] == "9.0.0"
            assert [each["step"] for each in told["steps"]] == ["replace-process"]
            upgrading.region = NEWEST
            code, out, errors = await command(certificates, endpoint, "upgrade", "plan")
            assert (code, errors) == (0, "")
            assert out.splitlines()[-1] == "all are at version 9.0.0"

    asyncio.run(scenario())


def test_a_region_that_is_away_is_shown_with_its_last_known_version(certificates: Certificates) -> None:
    async def scenario() -> None:
        upgrading = Upgrading()
        upgrading.is_one_away = True
        async with told_by(certificates, upgrading) as endpoint:
            _, out, _ = await command(certificates, endpoint, "upgrade", "plan")
            shown = next(line for line in out.splitlines() if "8.7.6" in line)
            assert all(part in shown for part in ("henan", "away", "8.7.6 (last known)", "998", "h ago"))
            assert "look at henan: no process of it is connected" in out
            _, out, _ = await command(certificates, endpoint, "upgrade", "plan", "--lang", "zh")
            assert "8.7.6（最后所知）" in out
            _, out, _ = await command(certificates, endpoint, "upgrade", "plan", "--json")
            coordinator, present, away = json.loads(out)["processes"]
            assert [each["heartbeat_time"] for each in (coordinator, present, away)] == ["", "", "1970-01-02T00:00:00Z"]
            assert (present["is_away"], away["is_away"]) == (False, True)

    asyncio.run(scenario())


def test_a_coordinator_that_cannot_be_reached_ends_it_with_3(certificates: Certificates) -> None:
    code, out, _ = asyncio.run(command(certificates, NOTHING_LISTENS, "upgrade", "plan"))
    assert (code, out) == (3, "")
