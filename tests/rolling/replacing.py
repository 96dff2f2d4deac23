"""Every process that can be replaced, and what its replacement was like."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from deploy.local.etcd import LocalEtcd
from deploy.local.federation import LocalFederation
from deploy.local.postgresql import LocalPostgresql
from deploy.local.process import LocalProcess, state_of


class Ending(Enum):
    """How a process is ended."""

    STOP = "stop"
    """In order: SIGTERM, and for PostgreSQL a fast shutdown."""
    KILL = "kill"
    """As by kill -9."""


class NotReplaced(Exception):
    """A replacement did not happen as it should: the run proves nothing."""


@dataclass(frozen=True)
class Member:
    """A process and its controls. `end` returns when it is gone, `begin` when it serves again."""

    name: str
    pid: Callable[[], int]
    end: Callable[[Ending], None]
    begin: Callable[[], object]


@dataclass(frozen=True)
class Replacement:
    """The replacement of a process by the next. Times are of `time.monotonic`."""

    name: str
    former: int
    present: int
    ended: float
    """The time of its stop signal."""
    gone: float
    """When it had ended."""
    back: float
    """When it served again."""


def members(federation: LocalFederation) -> Iterator[Member]:
    """Every process of a federation in the production shape, in the order in which one would roll it."""
    etcd, postgresql = federation.stores.etcd, federation.stores.postgresql
    assert etcd is not None
    assert postgresql is not None
    for index in etcd.running():
        yield Member(
            etcd.log(index).stem,
            partial(etcd.pid, index),
            partial(_end_etcd, etcd, index),
            partial(etcd.start_member, index),
        )
    for name, process in federation.processes.items():
        yield Member(name, partial(_pid, process), partial(_end_process, process), process.start)
    yield Member("postgresql", lambda: postgresql.pid, partial(_end_postgresql, postgresql), postgresql.start)


def replace(member: Member, ending: Ending) -> Replacement:
    """Ends a process and starts it again. Raises NotReplaced or ProcessFailed."""
    former, ended = member.pid(), time.monotonic()
    if not state_of(former):
        raise NotReplaced(f"{member.name} did not run: there was nothing to end")
    member.end(ending)
    if state_of(former):
        raise NotReplaced(f"{member.name} is still there, as process {former}")
    gone = time.monotonic()
    member.begin()
    back, present = time.monotonic(), member.pid()
    if present == former or not state_of(present):
        raise NotReplaced(f"{member.name} did not come back")
    return Replacement(member.name, former, present, ended, gone, back)


def _pid(process: LocalProcess) -> int:
    return process.pid


def _end_process(process: LocalProcess, ending: Ending) -> None:
    if ending is Ending.KILL:
        process.kill()
    elif code := process.stop():
        raise NotReplaced(f"{process.name} ended with {code}\n{process.last_lines()}")


def _end_etcd(etcd: LocalEtcd, index: int, ending: Ending) -> None:
    if ending is Ending.KILL:
        etcd.kill_member(index)
    else:
        etcd.stop_member(index)


def _end_postgresql(postgresql: LocalPostgresql, ending: Ending) -> None:
    if ending is Ending.KILL:
        postgresql.kill()
    else:
        postgresql.stop()
