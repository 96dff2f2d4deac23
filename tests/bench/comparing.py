"""Two loads in turns, so that a steady drift of the machine cancels out."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import server_name
from tests.bench.load import LoadClient
from tests.bench.orders import HANDLING
from tests.bench.report import Level, Round

WARM_UP = 1.0  # seconds of each load before the first round of a level

Way = Callable[[], Awaitable[float]]
"""Measures one figure, one way."""


def compare(base: LoadClient, measured: LoadClient, callers: int, rounds: int, seconds: float) -> Level:
    """Rounds of both loads, each first in every other round."""
    warm_up = min(WARM_UP, seconds)
    base.run(callers, warm_up)
    measured.run(callers, warm_up)
    done: list[Round] = []
    for index in range(rounds):
        if index % 2:
            second = measured.run(callers, seconds)
            done.append(Round(base.run(callers, seconds), second))
        else:
            first = base.run(callers, seconds)
            done.append(Round(first, measured.run(callers, seconds)))
    return Level(callers, done)


async def in_turns(base: Way, measured: Way, rounds: int) -> Sequence[tuple[float, float]]:
    """The figures of both ways, each first in every other round."""
    done: list[tuple[float, float]] = []
    for index in range(rounds):
        if index % 2:
            second = await measured()
            done.append((await base(), second))
        else:
            first = await base()
            done.append((first, await measured()))
    return done


def order_client(federation: LocalFederation, log: Path) -> LoadClient:
    """A client that submits orders at the origin region's first process.

    The servers whose processor time it counts are the coordinators and nodes, not etcd and PostgreSQL.
    """
    arguments = [
        "orders",
        f"--endpoint={federation.endpoint(HANDLING)}",
        f"--server-name={server_name(Role.ROLE_REGION, HANDLING, FEDERATION)}",
        f"--certificate={federation.directory / 'certificates' / f'{HANDLING}-counter'}",
    ]
    return LoadClient(arguments, [process.pid for process in federation.processes.values()], log)
