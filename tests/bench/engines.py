"""The same orders on other engines: PostgreSQL and etcd, with one coordinator and with two, against SQLite."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from deploy.local.profiles import Engine, Placement, Profile
from tests.bench.comparing import compare, order_client
from tests.bench.load import LoadClient
from tests.bench.results import EngineResult, Results
from tests.bench.running import running
from tests.bench.suspension import measure_suspensions


def on_postgresql(coordinators: int) -> Profile:
    """Every database in PostgreSQL, the registry in etcd."""
    return Profile(
        f"postgresql-{coordinators}",
        coordinators=Placement(Engine.POSTGRESQL, coordinators),
        etcd_members=3,
        rest=Placement(Engine.POSTGRESQL),
    )


def measure_engines(
    directory: Path, baseline: LoadClient, callers: int, rounds: int, seconds: float, results: Results
) -> None:
    """Each shape in turns with `baseline`; and how long a suspension takes with two coordinators, once a round."""
    for coordinators in (1, 2):
        profile = on_postgresql(coordinators)
        with running(directory / profile.name, profile) as federation, ExitStack() as stack:
            client = order_client(federation, directory / f"{profile.name}.log")
            stack.callback(client.close)
            name = f"PostgreSQL, {coordinators} coordinator{'s' if coordinators > 1 else ''}"
            results.add_engine(EngineResult(name, [compare(baseline, client, callers, rounds, seconds)]))
            if coordinators > 1:
                results.add_suspensions(asyncio.run(measure_suspensions(federation, rounds)))
