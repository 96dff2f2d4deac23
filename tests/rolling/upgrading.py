"""An upgrade under load, one process after the other, and the way back."""

import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.federation import COORDINATOR, LocalFederation, Replica
from deploy.local.process import ChildProcess, LocalProcess, wait_until
from deploy.local.profiles import Engine, Placement, Profile
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest, ListRegionsResponse
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.rpc.channels import invoke
from tests.crash.records import Records
from tests.faults.background import Background
from tests.rolling.load import Load, ways
from tests.rolling.proof import require_all_done_once
from tests.rolling.replacing import Ending
from tests.rolling.run import REGIONS
from tests.rolling.trees import Trees

TWO_ENGINES = Profile("two engines", special={"guangdong": Placement(Engine.POSTGRESQL, 2)})
"""The least federation in which processes of two versions share a database."""
_PATIENCE = 90.0  # seconds until orders are completed on every way again, or a process has started
_SECONDS = 60.0  # for a list of the regions on a busy machine


class VersionedFederation(LocalFederation):
    """A federation whose processes run from trees of several versions."""

    def __init__(self, directory: Path, profile: Profile, trees: Trees) -> None:
        super().__init__(directory, REGIONS, profile, launcher=trees.launch)
        self._trees = trees
        self.is_signed = False

    def migration(self, replica: Replica) -> ChildProcess:
        """See LocalFederation."""
        return self._trees.migration(replica.process.program)


class Upgrading:
    """A federation of one version, with load on it, whose processes are put to other versions."""

    def __init__(self, directory: Path, tree: Path, profile: Profile) -> None:
        self.trees = Trees(tree)
        self.federation = VersionedFederation(directory, profile, self.trees)
        self._background = Background()
        self._load: Load | None = None
        self._regions: dict[str, Records] = {}

    def build(self, configuration: Path) -> None:
        """Starts everything by the configuration of the first version. Raises ProcessFailed."""
        self.federation.prepare()
        self.federation.start(configuration=configuration)
        self._regions = {
            region: Records.of(self.federation, replicas[0].name) for region, replicas in self.federation.nodes.items()
        }
        self._load = self._background.run(_load(self.federation))
        self._background.run(self._load.start())
        self._await_whole()

    def close(self) -> None:
        """Ends everything."""
        if self._load is not None:
            self._background.run(self._load.close())
        for records in self._regions.values():
            records.database.close()
        self.federation.kill()
        self._background.close()

    @property
    def names(self) -> Sequence[str]:
        """All processes, in the order of an upgrade: coordinators first."""
        return list(self.federation.processes)

    def replace(self, name: str, tree: Path, ending: Ending = Ending.STOP) -> None:
        """Puts a process to a version, after its `migrate`, and waits until orders are completed on every way."""
        process = self.federation.processes[name]
        self.trees.put(name, tree)
        groups = {COORDINATOR: self.federation.coordinators, **self.federation.nodes}
        shared = len(groups.get(name.rpartition("-")[0], ())) > 1
        if shared:
            self.migrate(name)
        if ending is Ending.KILL:
            process.kill()
        self._stop(process)
        if not shared:
            self.migrate(name)
        process.start()
        self._background.run(self.federation.wait_joined(REGIONS))
        self._await_whole()

    def migrate(self, name: str) -> None:
        """Runs `migrate` of the version that a process is at. Raises ProcessFailed."""
        self.trees.migration(self.federation.processes[name].program).require_done()

    def listed(self) -> ListRegionsResponse:
        """What the coordinator tells administrators of the members."""
        return self._background.run(self._listed())

    def require_nothing_lost(self) -> None:
        """Ends the load, and requires that no call failed and that each order was done once."""
        load = self._load
        assert load is not None
        self._background.run(load.stop())
        load.journal.require_no_failure()
        require_all_done_once(load, self._regions)

    def _stop(self, process: LocalProcess) -> None:
        assert not process.runs() or process.stop() == 0, process.last_lines()

    async def _listed(self) -> ListRegionsResponse:
        async with self.federation.dial_coordinator() as channel:
            return await invoke(MembershipServiceStub(channel).ListRegions, ListRegionsRequest(), _SECONDS)

    def _await_whole(self) -> None:
        load = self._load
        assert load is not None
        ways, since = {way.name for way in load.ways}, time.monotonic()

        def is_whole() -> bool:
            load.journal.require_no_failure()
            return load.journal.ways_completed_since(since) >= ways

        wait_until(is_whole, _PATIENCE, "orders are completed on every way")


async def _load(federation: LocalFederation) -> Load:
    load = Load(federation, ways())
    await load.create_customers()
    return load
