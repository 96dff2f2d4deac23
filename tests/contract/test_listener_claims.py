"""Turns of listeners: a claim counts until it is over, each operator system has its share, and looking costs little."""

import asyncio
import socket
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.store.port import Transaction
from region_node.listeners import callbacks, forms, rows
from region_node.listeners.resources import last_change
from tests.contract.relay_pair import NOW
from tests.contract.test_listeners import ORDERS, PATIENCE, listening, region, types


def test_the_last_change_of_a_resource_is_read_once_for_all_its_listeners(tmp_path: Path) -> None:
    async def scenario() -> None:
        asked = list[int]()

        def last(_: Transaction, resource: int) -> int:
            asked.append(resource)
            return 1

        async with region(tmp_path) as here:
            for number in range(3):
                await here.register(f"https://127.0.0.1/{number}")
            assert await here.store.read(lambda tx: rows.next_due(tx, last, {})) == NOW
        assert asked == [ORDERS]

    asyncio.run(scenario())


def test_an_operator_system_has_its_share_of_the_listeners_that_are_told_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with region(tmp_path) as here:
            for number in range(rows.SHARE + 1):
                await here.register(f"https://127.0.0.1/{number}", "crm")
            here.clock.instant += timedelta(seconds=1)
            await here.register("https://127.0.0.1/1")
            now, until = here.clock.instant, here.clock.instant + timedelta(seconds=30)
            await here.order(1)

            def claim(tx: Transaction) -> None:
                told = {each.listener.id: each.operator for each in rows.claim(tx, last_change, {}, now, 16, until)}
                assert Counter(told.values()) == {"crm": rows.SHARE, "counter": 1}
                assert rows.claim(tx, last_change, told, now, 16, until) == []
                assert rows.next_due(tx, last_change, told) is None, "the fifth one waits for the end of a turn"
                assert rows.next_due(tx, last_change, {}) == NOW, "another process has room for it"

            await here.store.write(claim)

    asyncio.run(scenario())


def test_slow_callbacks_of_one_operator_system_hold_no_other_one_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "POST_SECONDS", PATIENCE)  # whoever waits for a slow callback waits too long

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with listening(tmp_path) as (here, hook):
                for number in range(forms.LISTENERS):
                    await here.register(f"https://127.0.0.1:{silent.getsockname()[1]}/{number}", "crm")
                here.clock.instant += timedelta(seconds=1)
                await here.register(hook.url)
                await here.order(1, "crm")
                await here.order(2)
                async with here.telling():
                    await here.until(lambda: bool(hook.bodies))
                assert types(hook) == [("ProductOrderCreateEvent", "2")]

    asyncio.run(scenario())


def test_a_listener_that_was_removed_and_registered_anew_meanwhile_is_told_of_later_changes_alone(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with region(tmp_path) as here:
            listener = await here.register("https://127.0.0.1/1")
            await here.order(1)
            (claimed,) = await here.store.write(
                lambda tx: rows.claim(tx, last_change, {}, NOW, 1, NOW + timedelta(seconds=30))
            )
            await here.remove(listener.id)
            here.clock.instant += timedelta(seconds=1)
            await here.register("https://127.0.0.1/1")
            assert not await here.store.write(lambda tx: rows.note_told(tx, claimed))
            await here.store.write(lambda tx: rows.release(tx, claimed, NOW))
            assert not await here.store.write(lambda tx: rows.note_failure(tx, claimed, "HTTP 500", NOW, NOW))
            assert await here.store.read(lambda tx: rows.next_due(tx, last_change, {})) is None
            assert [each.problem for each in await here.listeners()] == [""]

    asyncio.run(scenario())
