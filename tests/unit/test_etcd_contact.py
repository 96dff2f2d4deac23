"""When a coordinator may act by its copy of etcd."""

import asyncio
from datetime import timedelta
from typing import cast

from coordinator.registry.etcd.client import EtcdClient
from coordinator.registry.etcd.contact import Contact
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.watch import Follower
from gateway.time.clock import SystemClock

KEYS = Keys("demo.example")


class Etcd:
    """Answers at once."""

    async def revision(self, key: bytes, seconds: float) -> int:
        return 1


class ListingFollower:
    """A follower that finds changes by listing, with notifications on the loop's next turn."""

    def __init__(self) -> None:
        self.told = False

    def require_onward(self, revision: int, seen: int) -> None:
        """Everything is onward."""

    async def ask_for_progress(self) -> None:
        """No stream stands."""

    async def reached(self, revision: int, seconds: float) -> bool:
        return False

    async def list(self, seconds: float) -> None:
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self.told = True


async def nobody_is_answered() -> bool:
    return False


def test_after_a_pause_a_copy_may_be_acted_on_once_others_were_told_what_it_found() -> None:
    async def scenario() -> None:
        follower, seconds = ListingFollower(), 0.0
        contact = Contact(
            cast("EtcdClient", Etcd()),
            cast("Follower", follower),
            Copy(KEYS),
            SystemClock(),
            timedelta(seconds=10),
            KEYS.configuration,
            nobody_is_answered,
            lambda: seconds,
        )
        seconds = 3600.0
        assert not contact.is_current()
        await contact.look()
        assert contact.is_current()
        assert follower.told

    asyncio.run(scenario())
