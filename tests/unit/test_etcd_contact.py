"""When a coordinator may act by its copy of etcd."""

import asyncio
from datetime import timedelta
from typing import cast

from coordinator.registry.etcd.client import EtcdClient, Unanswered
from coordinator.registry.etcd.contact import Contact
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.watch import Follower
from gateway.time.clock import SystemClock

KEYS = Keys("demo.example")


class Etcd:
    """Answers at once, unless it is silent."""

    def __init__(self) -> None:
        self.is_silent = False

    async def revision(self, key: bytes, seconds: float) -> int:
        if self.is_silent:
            raise Unanswered("silent")
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


class Scene:
    """A contact, with the parts that a test drives."""

    def __init__(self) -> None:
        self.etcd, self.follower = Etcd(), ListingFollower()
        self.seconds, self.others_are_answered, self.told = 0.0, False, 0
        self.contact = Contact(
            cast("EtcdClient", self.etcd),
            cast("Follower", self.follower),
            Copy(KEYS),
            SystemClock(),
            timedelta(seconds=10),
            KEYS.configuration,
            self._others,
            self._tell,
            lambda: self.seconds,
        )

    async def _others(self) -> bool:
        return self.others_are_answered

    def _tell(self) -> None:
        self.told += 1


def test_after_a_pause_a_copy_may_be_acted_on_once_others_were_told_what_it_found() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.seconds = 3600.0
        assert not scene.contact.is_current()
        await scene.contact.look()
        assert scene.contact.is_current()
        assert scene.follower.told

    asyncio.run(scenario())


def test_those_who_wait_hear_of_a_copy_that_is_current_again_once_and_of_other_looks_nothing() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.contact.look()
        assert scene.told == 0
        scene.seconds = 3600.0
        assert not scene.contact.is_current()
        for _ in range(3):
            await scene.contact.look()
            assert scene.told == 1

    asyncio.run(scenario())


def test_those_who_wait_hear_at_once_that_etcd_answers_others_only_and_that_it_answers_again() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.etcd.is_silent = scene.others_are_answered = True
        scene.seconds = 5.0
        for _ in range(3):
            await scene.contact.look()
            assert (scene.contact.is_cut_off, scene.told) == (True, 1)
        scene.etcd.is_silent = False
        await scene.contact.look()
        assert (scene.contact.is_cut_off, scene.contact.is_current(), scene.told) == (False, True, 2)

    asyncio.run(scenario())
