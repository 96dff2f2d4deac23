"""Two loads in turns, so that a steady drift of the machine cancels out."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import server_name
from tests.bench.load import LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING
from tests.bench.report import Level, Round, Window

LEVELS = (1, 32, 128)
"""Numbers of callers."""
WARM_UP = 1.0  # seconds of each load before the first round of a level

Way = Callable[[], Awaitable[float]]
"""Measures one figure, one way."""


def turns(ways: int, rounds: int) -> Iterator[Sequence[int]]:
    """The order of so many ways in each round: each begins as often, and up to three follow each other as often.

    A way leaves work behind, as pages that the system has still to write: a follower that never changes pays for it.
    """
    for index in range(rounds):
        order = [(index // 2 + place) % ways for place in range(ways)]
        yield order if index % 2 == 0 else order[::-1]


def compare(base: LoadClient, measured: LoadClient, callers: int, rounds: int, seconds: float) -> Level:
    """Rounds of both loads, each first in every other round."""
    return Level(callers, [Round(*windows) for windows in windows_of((base, measured), callers, rounds, seconds)])


def windows_of(loads: Sequence[LoadClient], callers: int, rounds: int, seconds: float) -> list[list[Window]]:
    """The windows of all loads, a list a round, in the order of the loads. Warms each up before the first round."""
    for load in loads:
        load.run(callers, min(WARM_UP, seconds))
    done: list[list[Window]] = []
    for turn in turns(len(loads), rounds):
        found = {place: loads[place].run(callers, seconds) for place in turn}
        done.append([found[place] for place in range(len(loads))])
    return done


async def in_turns(base: Way, measured: Way, rounds: int) -> Sequence[tuple[float, float]]:
    """The figures of both ways, each first in every other round."""
    return [(first, second) for first, second in await figures_of((base, measured), rounds)]


async def figures_of(ways: Sequence[Way], rounds: int) -> list[list[float]]:
    """The figures of all ways, a list a round, in the order of the ways."""
    done: list[list[float]] = []
    for turn in turns(len(ways), rounds):
        found = {place: await ways[place]() for place in turn}
        done.append([found[place] for place in range(len(ways))])
    return done


def order_client(federation: LocalFederation, log: Path, customers: int = CUSTOMERS) -> LoadClient:
    """A client that submits orders at the origin region's first process, for so many customers.

    The servers whose processor time it counts are the coordinators and nodes, not etcd and PostgreSQL.
    """
    arguments = [
        "orders",
        f"--endpoint={federation.endpoint(HANDLING)}",
        f"--server-name={server_name(Role.ROLE_REGION, HANDLING, FEDERATION)}",
        f"--certificate={federation.directory / 'certificates' / f'{HANDLING}-counter'}",
        f"--customers={customers}",
    ]
    return LoadClient(arguments, [process.pid for process in federation.processes.values()], log)
