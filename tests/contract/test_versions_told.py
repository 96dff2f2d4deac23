"""The versions of a federation as a coordinator tells administrators of them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import grpc

from coordinator.membership.administration.service import MembershipService
from coordinator.membership.members import CurrentMembers
from coordinator.membership.presence import Presence
from coordinator.routing.deliveries import Deliveries
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest, ListRegionsResponse
from gateway.api.federation.v1.federation_pb2 import MemberProcess, NodeReport, ProcessVersion
from gateway.federation.versions import OwnVersion
from gateway.store.port import store_unavailable
from gateway.store.schema import CONTRACTING, Migration, migrations_of
from gateway.store.sqlite import SqliteStore
from tests.contract.registries import ADMIN, configuration, heartbeat
from tests.contract.test_presence import ENDPOINT, NAME, registry_in

TOLD = ProcessVersion(version="0.3.0", schema_number=170)
FOUND = ProcessVersion(version="0.3.0", schema_number=170, contracting_files=2)
_List = grpc.aio.ServicerContext[ListRegionsRequest, ListRegionsResponse]


def test_a_coordinator_tells_the_version_of_each_process_and_its_own_with_its_database(tmp_path: Path) -> None:
    is_away = False

    async def version() -> ProcessVersion:
        if is_away:
            raise store_unavailable()
        return FOUND

    async def scenario() -> None:
        nonlocal is_away
        async with registry_in(tmp_path) as (registry, _):
            presence = Presence(registry, CurrentMembers(registry), Deliveries().over)
            await presence.enter(NAME, ENDPOINT, TOLD)
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.beat("sichuan", replace(heartbeat("127.0.0.1:1"), report=NodeReport(version=TOLD)))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2"))
            service = MembershipService(registry, presence, registry.answered, version)

            async def listed() -> ListRegionsResponse:
                return await service.ListRegions(ListRegionsRequest(), cast("_List", None))

            (member,) = (await listed()).members
            assert [*member.processes] == [
                MemberProcess(endpoint="127.0.0.1:1", version=TOLD),
                MemberProcess(endpoint="127.0.0.1:2"),
            ]
            assert [each.version for each in (await listed()).replicas] == [FOUND]
            is_away = True
            assert [each.version for each in (await listed()).replicas] == [TOLD], "also while its database is away"
            await presence.close()

    asyncio.run(scenario())


def test_a_process_tells_which_files_are_newer_and_which_wait_to_be_contracted(tmp_path: Path) -> None:
    known = migrations_of("gateway")
    newer = Migration("gateway", "0998_newer.sql", "CREATE TABLE newer (id INTEGER);")
    less = Migration("gateway", "0999_less.sql", f"{CONTRACTING}what is newer.\nDROP TABLE newer;")

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.db", [*known, newer])
        try:
            older = await store.read(OwnVersion(known, "sqlite").found)
            assert (older.newer_files, older.contracting_files) == (1, 0)
            present = await store.read(OwnVersion([*known, newer, less], "sqlite").found)
            assert (present.newer_files, present.contracting_files, present.schema_number) == (0, 1, 999)
        finally:
            await store.close()

    asyncio.run(scenario())
