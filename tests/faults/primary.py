"""A PostgreSQL that Patroni leads, whose primary fails in each of the ways that there are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.etcd import LocalEtcd
from deploy.local.patroni import LocalPatroni
from deploy.local.process import ProcessFailed
from tests.faults.lines import MemberLines


@dataclass(frozen=True)
class Cluster:
    """The members, and their lines to each other and to etcd."""

    servers: LocalPatroni
    lines: MemberLines


@dataclass(frozen=True)
class Fault:
    """A fault of one member, and what ends it; the member is started again after that, if it does not run."""

    begin: Callable[[Cluster, int], None]
    end: Callable[[Cluster, int], None] = lambda cluster, member: None


FAULTS: dict[str, Fault] = {
    "server": Fault(lambda cluster, member: cluster.servers.kill_server(member)),
    "machine": Fault(lambda cluster, member: cluster.servers.kill_member(member)),
    "network": Fault(
        lambda cluster, member: cluster.lines.cut(member),
        lambda cluster, member: cluster.lines.heal(member),
    ),
    "frozen": Fault(
        lambda cluster, member: cluster.servers.freeze_member(member),
        lambda cluster, member: cluster.servers.thaw_member(member),
    ),
    "patroni": Fault(lambda cluster, member: cluster.servers.kill_patroni(member)),
}
"""PostgreSQL is ended as by kill -9, which Patroni notices at once; both, whose lease has to end; the primary is cut
off from etcd and the other members, while the region reaches it; its machine halts, and goes on later; or Patroni alone
is ended, whose server goes on taking connections beside the next primary."""


@contextmanager
def patroni_etcd(directory: Path) -> Iterator[LocalEtcd]:
    """An etcd for Patroni alone. It ends with the context."""
    etcd = LocalEtcd(directory, 1, gateway=True)
    try:
        etcd.prepare()
        etcd.start()
        yield etcd
    finally:
        etcd.remove()


@contextmanager
def patroni_cluster(directory: Path, etcd: LocalEtcd) -> Iterator[Cluster]:
    """Three members, of which one is a synchronous standby. They end with the context."""
    with ExitStack() as stack:
        lines = MemberLines()
        stack.callback(lines.close)
        servers = LocalPatroni(directory, etcd, through=lines.through)
        stack.callback(servers.remove)
        servers.prepare()
        servers.start()
        yield Cluster(servers, lines)


@contextmanager
def failing(cluster: Cluster, kind: str) -> Iterator[Callable[[], bool]]:
    """The primary fails; gives whether another member leads. The member is there again after the context.

    Raises ProcessFailed without a primary.
    """
    servers, fault = cluster.servers, FAULTS[kind]
    if (primary := servers.primary()) is None:
        raise ProcessFailed("there is no primary")
    others = [each for each in servers.members if each != primary]
    try:
        fault.begin(cluster, primary)
        yield lambda: any(map(servers.leads, others))
    finally:
        fault.end(cluster, primary)
        servers.launch_member(primary)
