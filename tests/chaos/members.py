"""What faults can happen to: the members of the production shape, the links between them, clocks and disks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local.driven_clock import DrivenClock
from deploy.local.etcd import LocalEtcd
from deploy.local.federation import FEDERATION_FILES, LocalFederation, Replica
from deploy.local.process import children_of, state_of
from deploy.local.profiles import Engine, Placement, Profile
from deploy.releases import releases
from tests.chaos import crowd
from tests.chaos.drawing import FaultKind, Target
from tests.chaos.load import REGIONS
from tests.faults.background import Background
from tests.faults.primary import FAULTS, Cluster, patroni_cluster, patroni_etcd
from tests.faults.proxy import FaultProxy
from tests.rolling.replacing import Member, members
from tests.rolling.trees import PRESENT, Trees, tree_of

CLOCKED, MISLED, CROWDED = "sichuan", "coordinator-1", "henan"
"""The region and the coordinator whose clocks step, and the region whose disk is full."""
CLUSTERED = "guangdong"
"""The region whose PostgreSQL Patroni leads, where regions are on PostgreSQL."""
_STORE, _REGISTRY, _CLUSTER = "postgresql", "etcd", "cluster"

PROFILES = {
    Engine.POSTGRESQL: Profile(
        "chaos-postgresql",
        coordinators=Placement(Engine.POSTGRESQL, 2),
        etcd_members=3,
        special={"guangdong": Placement(Engine.POSTGRESQL, 2)},
        rest=Placement(Engine.POSTGRESQL),
    ),
    Engine.SQLITE: Profile("chaos-sqlite", coordinators=Placement(Engine.POSTGRESQL, 2), etcd_members=3),
}
"""The production shape with the regions on one engine. Coordinators always have a server: they are two."""


@dataclass(frozen=True)
class Freezable:
    """How a member is halted, and goes on."""

    freeze: Callable[[], None]
    thaw: Callable[[], None]


class Shape:
    """The production shape, prepared, with a proxy on each way between a region's processes and the coordinators."""

    def __init__(self, directory: Path, engine: Engine, background: Background) -> None:
        clock_files = {name: directory / f"clock-of-{name}" for name in (CLOCKED, MISLED)}
        self.engine = engine
        self.clocks = {name: DrivenClock.create(file) for name, file in clock_files.items()}
        self.release = tree_of(releases()[-1].commit, directory / "release")
        self.trees = Trees(PRESENT)
        self.federation = LocalFederation(
            directory, REGIONS, PROFILES[engine], clock_files=clock_files, launcher=self.trees.launch
        )
        self._held = ExitStack()
        self._directory = directory
        self._cluster: Cluster | None = None
        self.federation.operators += (crowd.OPERATOR,)
        self.links: dict[str, FaultProxy] = {}
        self._background = background

    @property
    def nodes(self) -> Mapping[str, tuple[str, Replica]]:
        """The processes of the regions, with their region, by name."""
        found = self.federation.nodes.items()
        return {replica.name: (region, replica) for region, replicas in found for replica in replicas}

    def build(self) -> None:
        """Starts everything. Raises ProcessFailed."""
        federation = self.federation
        if self.engine is Engine.POSTGRESQL:
            etcd = self._held.enter_context(patroni_etcd(self._directory / "etcd-of-patroni"))
            self._cluster = self._held.enter_context(patroni_cluster(self._directory / "patroni", etcd))
            federation.stores.clusters[CLUSTERED] = self._cluster.servers
        for region in REGIONS:
            links = [self._link(f"{region} to {each.name}", each) for each in federation.coordinators]
            federation.reached_through[region] = tuple(link.endpoint for link in links)
        for name, (_, replica) in self.nodes.items():
            federation.advertised[name] = self._link(f"coordinators to {name}", replica).endpoint
        federation.prepare()
        federation.start(configuration=self.release / FEDERATION_FILES.relative_to(PRESENT))  # each version reads it

    def close(self) -> None:
        """Ends everything."""
        for link in self.links.values():
            link.close()
        self.federation.kill()
        self._held.close()

    def members(self) -> dict[str, Member]:
        """All processes by name."""
        return {each.name: each for each in members(self.federation)}

    def freezable(self, name: str) -> Freezable:
        """How a process is halted."""
        stores = self.federation.stores
        if name == _STORE and stores.postgresql is not None:
            return Freezable(stores.postgresql.freeze, stores.postgresql.thaw)
        if stores.etcd is not None and (index := self.registry_member(name)) is not None:
            return Freezable(partial(stores.etcd.freeze_member, index), partial(stores.etcd.thaw_member, index))
        process = self.federation.processes[name]
        return Freezable(process.freeze, process.thaw)

    def registry_member(self, name: str) -> int | None:
        """The number of a member of etcd; None for any other process."""
        prefix, _, number = name.partition("-")
        return int(number) if prefix == _REGISTRY else None

    @property
    def etcd(self) -> LocalEtcd:
        """The registry."""
        found = self.federation.stores.etcd
        assert found is not None
        return found

    @property
    def cluster(self) -> Cluster:
        """The PostgreSQL that Patroni leads."""
        assert self._cluster is not None
        return self._cluster

    def store_of(self, region: str) -> str:
        """The group of faults that a region's server of PostgreSQL is in; empty for a region without one."""
        if self.federation.profile.placement(region).engine is Engine.SQLITE:
            return ""
        return _CLUSTER if region == CLUSTERED else _STORE

    def targets(self) -> Mapping[FaultKind, Sequence[Target]]:
        """What each kind of fault can happen to."""
        processes = [Target(name, (self._group(name),)) for name in self.members()]
        links = [Target(name, (name,)) for name in self.links]
        own = [each for each in processes if not {_STORE, _REGISTRY} & {*each.groups}]
        return {
            FaultKind.KILL: processes,
            FaultKind.RESTART: [*own, Target(_STORE, (_STORE,))],
            FaultKind.FREEZE: processes,
            FaultKind.PRIMARY: self._primaries(),
            FaultKind.VERSION: own,
            FaultKind.CUT: links,
            FaultKind.SILENT: links,
            FaultKind.ANSWERS: links,
            FaultKind.SLOW: links,
            FaultKind.CROWD: [Target(name, (name,)) for name in self.nodes],
            FaultKind.CLOCK: [Target(CLOCKED, (CLOCKED,))],
            FaultKind.COORDINATOR_CLOCK: [Target(MISLED, (MISLED,))],
            FaultKind.FULL: [Target(CROWDED, (CROWDED, _STORE))],
        }

    def _primaries(self) -> list[Target]:
        """The primary of the cluster, once for each way in which it fails."""
        return [Target(f"primary of {CLUSTERED}: {fault}", (_CLUSTER,)) for fault in FAULTS] if self._cluster else []

    def memory(self) -> dict[str, float]:
        """The proportional memory of each process with its children, in MiB, by name."""
        return {each.name: sum(map(_mebibytes, _family(each.pid))) for each in self.federation.running()}

    def _group(self, name: str) -> str:
        """A majority of etcd lives; who has a wrong clock, or a full disk, is not killed as well."""
        return _REGISTRY if self.registry_member(name) is not None else name

    def _link(self, name: str, target: Replica) -> FaultProxy:
        link = self.links[name] = FaultProxy(self._background, lambda: target.endpoint)
        return link


def is_frozen(pid: int) -> bool:
    """Whether the kernel has halted a process."""
    return state_of(pid) == "T"


def _family(pid: int) -> Iterator[int]:
    yield pid
    yield from children_of([pid])


def _mebibytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0  # it has ended meanwhile
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
