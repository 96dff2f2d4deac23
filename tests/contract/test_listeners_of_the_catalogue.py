"""Listeners hear how the catalogue changes when a configuration comes into force."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from region_node.business.catalogue.changes import CatalogueChanges
from region_node.business.catalogue.offerings import EVENTS, known_revision, note_offerings
from tests.contract.relay_pair import NOW
from tests.contract.test_listeners import UPGRADED, Region, listening
from tests.contract.test_listeners import _rests_little as _rests_little
from tests.webhook import Hook

OFFERINGS = ListenerResource.LISTENER_RESOURCE_PRODUCT_OFFERING
PAY, SUSPEND, RESUME = (Business(code=code) for code in ("PAY", "SUSPEND", "RESUME"))


def renamed(business: Business) -> Business:
    """The business with another name."""
    changed = Business()
    changed.CopyFrom(business)
    changed.name.en = "another"
    return changed


def revision(number: int, *businesses: Business) -> Federation:
    """A revision of the configuration with these businesses."""
    return Federation(number, Configuration(businesses=businesses))


def types(hook: Hook) -> list[tuple[str, str]]:
    """What was posted: the type of each event without the words that all have, and the business."""
    named = [(each["eventType"], each["event"]["productOffering"]["id"]) for each in hook.bodies]
    return [(kind.removeprefix("ProductOffering").removesuffix("Event"), code) for kind, code in named]


@asynccontextmanager
async def processes(here: Region, count: int) -> AsyncIterator[None]:
    """Processes of the region that look after the catalogue meanwhile."""
    looks = [CatalogueChanges(here.context, here.store) for _ in range(count)]
    tasks = [asyncio.get_running_loop().create_task(each.run()) for each in looks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def comes_into_force(here: Region, federation: Federation) -> None:
    """A revision comes into force, and is known to the region."""
    here.context.border.current.update(federation, UPGRADED)
    known = 0
    while known < federation.revision:
        await asyncio.sleep(0.005)
        known = await here.store.read(known_revision)


def test_a_business_that_comes_changes_or_leaves_is_told_once_and_the_first_catalogue_is_no_change(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook), processes(here, 2):
            await here.register(hook.url, resource=OFFERINGS)
            for federation in (
                revision(1, PAY, SUSPEND),
                revision(2, PAY, SUSPEND),
                revision(3, renamed(PAY), SUSPEND, RESUME),
                revision(4, renamed(PAY), RESUME),
            ):
                await comes_into_force(here, federation)
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 3)
            assert types(hook) == [("AttributeValueChange", "PAY"), ("Create", "RESUME"), ("Delete", "SUSPEND")]
            pay, _, suspend = [each["event"]["productOffering"] for each in hook.bodies]
            assert (pay["name"], pay["lifecycleStatus"]) == ("another", "Active")
            assert suspend.keys() == {"id", "href", "@type", "@baseType", "@schemaLocation"}

    asyncio.run(scenario())


def test_a_business_that_left_and_came_back_meanwhile_is_told_as_new(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=OFFERINGS)
            for federation in (revision(1, PAY, SUSPEND), revision(2, SUSPEND), revision(3, PAY, SUSPEND)):
                await here.store.write(lambda tx, each=federation: note_offerings(tx, each, NOW))  # type: ignore[misc]
            async with here.telling():
                await here.until(lambda: bool(hook.bodies))
            assert types(hook) == [("Create", "PAY")]

    asyncio.run(scenario())


@pytest.mark.parametrize("older", [revision(2, RESUME), revision(3, RESUME)])
def test_a_process_with_an_older_configuration_changes_nothing(tmp_path: Path, older: Federation) -> None:
    def noted(tx: Transaction) -> Sequence[object]:
        return [each.name for each in EVENTS.states_after(tx, 0, "", 10)]

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=OFFERINGS)
            for federation in (revision(1, PAY), revision(3, SUSPEND, PAY), older):
                await here.store.write(lambda tx, each=federation: note_offerings(tx, each, NOW))  # type: ignore[misc]
            assert await here.store.read(noted) == ["SUSPEND"]

    asyncio.run(scenario())


def test_the_state_of_an_offering_never_changes_so_nobody_listens_for_that(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            with pytest.raises(Refused, match="kinds"):
                await here.register(hook.url, resource=OFFERINGS, kinds=[EventKind.EVENT_KIND_STATE_CHANGE])

    asyncio.run(scenario())
