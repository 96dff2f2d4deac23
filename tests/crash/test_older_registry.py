"""A coordinator is killed, and its database or its etcd replaced by an older copy that has forgotten a suspension."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import grpc
import pytest

from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.snapshots import SNAPSHOT, EtcdSnapshots
from deploy.local.federation import FEDERATION, LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import EMBEDDED, Profile
from gateway.api.coordinator.v1.administration_pb2 import (
    GetConfigurationRequest,
    ListRegionsRequest,
    ListRegionsResponse,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import ChainHead, MemberState, WatchResponse
from gateway.api.relay.v1.relay_pb2 import DeliverRequest
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.errors import from_rpc_error, reason_name
from region_node.node.membership.last_good import LastGood
from tests import preloaded
from tests.crash.test_older_database import copy_of
from tests.engines import ETCD, require_engine

SUSPENDED = MemberState.MEMBER_STATE_SUSPENDED
HERE, AWAY = "guangdong", "sichuan"


class Patiently(TypedDict):
    """How calls are made."""

    timeout: float
    wait_for_ready: bool


PATIENTLY: Patiently = {"timeout": 60.0, "wait_for_ready": True}
"""On a busy machine the first connection may take more than one attempt."""
PATIENCE = 90.0
NOTE = "its key is lost"


@dataclass(frozen=True)
class Members:
    """A federation in processes of their own, as its administrator and its members see it."""

    federation: LocalFederation

    def listed(self) -> ListRegionsResponse:
        """What the coordinator says of the regions."""

        async def ask() -> ListRegionsResponse:
            async with self.federation.dial_coordinator() as channel:
                return await MembershipServiceStub(channel).ListRegions(ListRegionsRequest(), **PATIENTLY)

        return asyncio.run(ask())

    def suspend(self) -> None:
        """Suspends a region, by the administrator's statement where they sign."""

        async def ask() -> None:
            async with self.federation.dial_coordinator() as channel:
                configuration = ConfigurationServiceStub(channel)
                place = (await configuration.GetConfiguration(GetConfigurationRequest(), **PATIENTLY)).place
                request = SuspendRegionRequest(region=AWAY, note=NOTE)
                if self.federation.is_signed:
                    signed = self.federation.administrator.suspension(place, AWAY, suspended=True, note=NOTE)
                    request.signed.CopyFrom(signed)
                await MembershipServiceStub(channel).SuspendRegion(request, **PATIENTLY)

        asyncio.run(ask())

    def delivers(self) -> str:
        """The reason for which an envelope of the suspended region is not forwarded."""

        async def ask() -> str:
            async with self.federation.dial_coordinator(AWAY) as channel:
                try:
                    await RelayServiceStub(channel).Deliver(DeliverRequest(destination=HERE, nonce=b"1"), **PATIENTLY)
                except grpc.aio.AioRpcError as error:
                    refused = from_rpc_error(error)
                    if refused is None:
                        raise
                    return reason_name(refused.reason)
                return ""

        return asyncio.run(ask())

    def kept(self) -> WatchResponse:
        """The state that the other region keeps on disk."""
        found = self._last_good().load()
        return found if found is not None else WatchResponse()

    def kept_head(self) -> ChainHead:
        """The end of the registry that the other region keeps on disk."""
        found = self._last_good().load_head()
        return found if found is not None else ChainHead()

    def _last_good(self) -> LastGood:
        return LastGood(self.federation.directory / "data" / HERE)

    def says(self, *words: str) -> preloaded.Ended:
        """Runs `coordinator` to a good end."""
        environment = {
            "CROSSREGION_COORDINATOR": self.federation.coordinator_endpoint,
            "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / "admin"),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": "en",
        }
        ended = preloaded.run("coordinator.cli.main", *words, environment=environment)
        assert ended.code == 0, ended
        return ended


@contextmanager
def members_in(directory: Path, *, is_signed: bool, profile: Profile = EMBEDDED) -> Iterator[Members]:
    federation = LocalFederation(directory, (HERE, AWAY), profile, launcher=preloaded.launch)
    federation.is_signed = is_signed
    try:
        federation.prepare()
        if not is_signed:
            for settings in (federation.directory / "settings").iterdir():
                settings.write_text(f"allow_unsigned_configuration = true\n{settings.read_text('utf-8')}", "utf-8")
        federation.start()
        yield Members(federation)
    finally:
        federation.kill()


def state_of_away(told: WatchResponse | ListRegionsResponse) -> MemberState.ValueType:
    return next((each.state for each in told.members if each.region == AWAY), MemberState.MEMBER_STATE_UNSPECIFIED)


@pytest.mark.slow
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
def test_a_suspension_that_an_older_registry_has_forgotten_is_in_force_again_before_anything_is_forwarded(
    tmp_path: Path, *, is_signed: bool
) -> None:
    with members_in(tmp_path / "federation", is_signed=is_signed) as members:
        coordinator = members.federation.coordinators[0]
        file, copy = members.federation.database(coordinator.name).file, tmp_path / "older.db"
        copy_of(file, copy)
        members.suspend()
        wait_until(lambda: state_of_away(members.kept()) == SUSPENDED, PATIENCE, "the other region keeps it on disk")
        coordinator.process.kill()
        for leftover in file.parent.glob(f"{file.name}-*"):
            leftover.unlink()
        shutil.copy(copy, file)
        coordinator.process.start()

        wait_until(lambda: members.listed().HasField("loss"), PATIENCE, "the coordinator knows that it is behind")
        assert members.delivers() in {"REGISTRY_BEHIND", "REGION_SUSPENDED"}
        assert state_of_away(members.kept()) == SUSPENDED, "nobody was told otherwise"
        assert "IS AN OLDER ONE" in members.says("regions", "list").err
        if is_signed:
            given_back = "a member gives the statement back"
            wait_until(lambda: state_of_away(members.listed()) == SUSPENDED, PATIENCE, given_back)
        else:
            assert state_of_away(members.listed()) != SUSPENDED
            members.suspend()
        assert members.listed().HasField("loss"), "the fence stands until a person has looked"

        begun = members.kept_head().sequence
        members.says("regions", "accept-loss", "1", "INC-2041")
        wait_until(lambda: members.kept_head().sequence > begun, PATIENCE, "the other region follows again")
        assert members.delivers() == "REGION_SUSPENDED"
        assert state_of_away(members.kept()) == SUSPENDED
        assert "IS AN OLDER ONE" not in members.says("regions", "list").err


@pytest.mark.slow
def test_a_signed_suspension_that_a_restored_etcd_has_forgotten_is_given_back_by_a_member(tmp_path: Path) -> None:
    require_engine(ETCD)
    one_etcd = Profile("one etcd", etcd_members=1)
    with members_in(tmp_path / "federation", is_signed=True, profile=one_etcd) as members:
        etcd, coordinator = members.federation.stores.etcd, members.federation.coordinators[0]
        assert etcd is not None
        EtcdSnapshots(EtcdSettings(etcd.endpoints, etcd.credentials())).copy(tmp_path, datetime.now(UTC))
        members.suspend()
        wait_until(lambda: state_of_away(members.kept()) == SUSPENDED, PATIENCE, "the other region keeps it on disk")
        coordinator.process.kill()
        etcd.restore(tmp_path / SNAPSHOT)

        coordinator.process.start()
        assert members.delivers() == "REGION_SUSPENDED", "the last good copy is in use, until somebody removes it"
        coordinator.process.kill()
        (members.federation.database(coordinator.name).file.parent / "registry.bin").unlink()
        coordinator.process.start()
        given_back = "a member gives the statement back"
        wait_until(lambda: state_of_away(members.listed()) == SUSPENDED, PATIENCE, given_back)
        assert state_of_away(members.kept()) == SUSPENDED, "nobody was told otherwise"
        wait_until(lambda: members.delivers() == "REGION_SUSPENDED", PATIENCE, "the coordinator forwards again")
