"""The objects that live as long as a process are looked through once, and those that went leave nothing behind."""

import asyncio
import subprocess
import sys

import pytest

from gateway.process import memory
from gateway.process.ending import Ending, own_ending
from gateway.process.memory import SettledMemory

# A configuration that refers to itself: only a collection removes it.
REVISIONS = """
import gc
from gateway.process.memory import settle_memory

kept = []
for revision in range(50):
    configuration = [[number] for number in range(10_000)]
    configuration.append(configuration)
    settle_memory()
    kept.append(gc.get_freeze_count())
print(kept[-1] - kept[0], gc.get_count()[0])
"""


def test_fifty_revisions_of_a_configuration_do_not_make_a_process_grow() -> None:
    done = subprocess.run([sys.executable, "-c", REVISIONS], capture_output=True, text=True, check=True)
    grown, unsettled = map(int, done.stdout.split())
    assert grown < 1_000
    assert unsettled < 1_000


@pytest.fixture(name="settled")
def count_of_settlements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the memory was settled."""
    found: list[int] = []
    monkeypatch.setattr(memory, "settle_memory", lambda: found.append(1))
    return found


def test_each_revision_is_settled_once_and_the_one_at_the_start_not_again(settled: list[int]) -> None:
    async def scenario() -> list[int]:
        own_ending.set(Ending(0.0, lambda: None))
        noted, counts = SettledMemory(3), []
        for revision in (3, 4, 4, 4, 5, 5):
            noted.note(revision)
            await asyncio.sleep(0)
            counts.append(len(settled))
        return counts

    assert asyncio.run(scenario()) == [0, 1, 1, 1, 2, 2]


def test_a_process_of_others_is_left_alone(settled: list[int]) -> None:
    async def scenario() -> None:
        SettledMemory(0).note(1)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert not settled
