"""Listeners of a region in which processes of an older version run beside those of this one."""

import asyncio
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Feature, Member
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.errors import Refused
from gateway.federation.capabilities import FEATURES
from gateway.federation.catalogue import Federation
from tests.contract import test_listeners
from tests.contract.test_listeners import UPGRADED, Region, listening, types
from tests.contract.test_listeners import _rests_little as _rests_little

LISTENED = (
    ListenerResource.LISTENER_RESOURCE_CUSTOMER,
    ListenerResource.LISTENER_RESOURCE_CUSTOMER_V5,
    ListenerResource.LISTENER_RESOURCE_PRODUCT_OFFERING,
    ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL,
)
OLDER = [each for each in FEATURES if each != Feature.FEATURE_LISTENED_CHANGES]
BESIDE_OLDER = Member(region="sichuan", endpoints=["127.0.0.1:1", "127.0.0.1:2"], features=OLDER)
SILENT = Member(region="sichuan")  # as coordinators tell it once the leases of all its processes have ended


def hears(here: Region, *members: Member) -> None:
    """The features of regions, as coordinators tell them."""
    here.context.border.current.update(Federation(0, Configuration()), members)


def test_a_listener_for_changes_that_a_process_of_an_older_version_does_not_note_is_refused_for_now(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            hears(here, BESIDE_OLDER, Member(region="henan", endpoints=["127.0.0.1:3"], features=FEATURES))
            for resource in LISTENED:
                with pytest.raises(Refused, match="LISTENERS_AWAIT_UPGRADE"):
                    await here.register(hook.url, resource=resource)
            await here.register(hook.url)  # for orders
            hears(here, *UPGRADED)
            for resource in LISTENED:
                await here.register(hook.url, resource=resource)

    asyncio.run(scenario())


def test_a_region_whose_heartbeats_are_late_has_no_older_process_but_one_that_was_heard_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            hears(here, SILENT)
            for resource in LISTENED:
                await here.register(hook.url, resource=resource)
            for members in (BESIDE_OLDER, SILENT):
                hears(here, members)
                with pytest.raises(Refused, match="LISTENERS_AWAIT_UPGRADE"):
                    await here.register(hook.url, resource=LISTENED[0])

    asyncio.run(scenario())


@pytest.mark.parametrize("told", [(), (SILENT,)], ids=["before the first state", "silent since the start"])
def test_a_region_that_no_coordinator_has_heard_yet_is_said_to_be_unreachable_and_not_of_an_older_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[Member, ...]
) -> None:
    monkeypatch.setattr(test_listeners, "UPGRADED", told)

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            with pytest.raises(Refused, match="REGION_UNREACHABLE"):
                await here.register(hook.url, resource=LISTENED[0])
            await here.register(hook.url)  # for orders

    asyncio.run(scenario())


def test_what_a_process_of_the_version_before_writes_is_told_to_listeners_of_each_kind(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, kinds=[EventKind.EVENT_KIND_CREATE])
            await here.register(hook.url)
            await here.order(1)
            await here.store.write(lambda tx: tx.execute("UPDATE order_events SET former_state = NULL"))
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 2)
            assert {kind for kind, _ in types(hook)} == {"ProductOrderCreateEvent", "ProductOrderStateChangeEvent"}

    asyncio.run(scenario())
