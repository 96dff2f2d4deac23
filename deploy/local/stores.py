"""The servers that a federation on one machine keeps its data in: etcd and PostgreSQL, as its profile wants them."""

import secrets
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.etcd import LocalEtcd, require_program
from deploy.local.postgresql import LocalPostgresql, require_programs
from deploy.local.postgresql_access import PostgresqlAccess
from deploy.local.process import ProcessFailed
from deploy.local.profiles import Engine, Profile


@dataclass(frozen=True)
class Running:
    """A running process, with the facts that a person or a script needs."""

    name: str
    pid: int
    endpoint: str
    log: Path
    mark: str
    """A unique part of its command line on this machine: a path."""
    ending: signal.Signals = signal.SIGTERM
    """The signal that stops it in order."""
    home: Path | None = None
    """A directory outside the federation's that is to be removed after its end."""


def require_installed(*, etcd: bool, postgresql: bool) -> None:
    """Raises ProcessFailed for missing servers, with the way to install them."""
    missing: list[str] = []
    for is_needed, require in ((etcd, require_program), (postgresql, require_programs)):
        if is_needed:
            try:
                require()
            except ProcessFailed as failure:
                missing.append(str(failure))
    if missing:
        raise ProcessFailed(f"{', and '.join(missing)}. `make services` installs what is missing")


class LocalStores:
    """The servers of one federation. Each owner (a region, or the coordinators) has its own database and role.

    A given PostgreSQL server is shared with others: it runs already, and only the databases are made and removed.
    """

    def __init__(
        self, directory: Path, profile: Profile, regions: Iterable[str], postgresql: PostgresqlAccess | None = None
    ) -> None:
        placements = (profile.coordinators, *(profile.placement(region) for region in regions))
        needed = any(placement.engine is Engine.POSTGRESQL for placement in placements)
        self.etcd = LocalEtcd(directory / "etcd", profile.etcd_members) if profile.etcd_members else None
        self.postgresql = LocalPostgresql(directory / "postgresql") if needed and postgresql is None else None
        """The server of its own."""
        self._access = (postgresql or self.postgresql) if needed else None
        self._prefix = f"federation-{secrets.token_hex(4)}-" if needed and postgresql is not None else ""
        self._databases: list[str] = []
        self.clusters: dict[str, PostgresqlAccess] = {}
        """Servers that run already for single owners, and end with whoever has started them."""

    def prepare(self) -> None:
        """Makes the files of the servers before their start.

        Raises ProcessFailed for a server that is not installed.
        """
        require_installed(etcd=self.etcd is not None, postgresql=self.postgresql is not None)
        if self.etcd is not None:
            self.etcd.prepare()
        if self.postgresql is not None:
            self.postgresql.prepare()

    def start(self, owners: Iterable[str]) -> None:
        """Starts the servers, and makes an empty database for each owner that has none. Raises ProcessFailed."""
        if self.etcd is not None:
            self.etcd.start()
        if self._access is None:
            return
        if self.postgresql is not None:
            self.postgresql.start()
        for owner in owners:
            name = self._prefix + owner
            if name not in self._databases:
                access = self.clusters.get(owner, self._access)
                access.create_role(name)
                access.create_database(name, owner=name)
                self._databases.append(name)

    def conninfo(self, owner: str, process: str) -> str:
        """The connection string of a process to its owner's database, with its own certificate."""
        access = self.clusters.get(owner, self._access)
        if access is None:
            raise ValueError("there is no PostgreSQL in this profile")
        name = self._prefix + owner
        return access.conninfo(name, name, self._prefix + process)

    def running(self) -> list[Running]:
        """The servers that run here, in the order in which to stop them, without a shared one."""
        found = [] if self.etcd is None else [self._member(self.etcd, index) for index in self.etcd.running()]
        server = self.postgresql
        if server is not None and server.runs():
            found.append(
                Running(
                    name="postgresql",
                    pid=server.pid,
                    endpoint=f"127.0.0.1:{server.port}",
                    log=server.log,
                    mark=str(server.home),
                    ending=signal.SIGINT,  # SIGTERM waits for clients to leave
                    home=server.home,
                )
            )
        return found

    def stop(self) -> None:
        """Stops the servers in order and removes their data. Raises ProcessFailed."""
        if self.etcd is not None:
            self.etcd.stop()
        if self.postgresql is not None:
            self.postgresql.stop()
        self.remove()

    def remove(self) -> None:
        """Kills running servers and removes their data."""
        if self.etcd is not None:
            self.etcd.remove()
        if self.postgresql is not None:
            self.postgresql.remove()
        elif self._access is not None:
            for name in self._databases:
                self._access.drop_database(name)
            self._databases.clear()

    def _member(self, etcd: LocalEtcd, index: int) -> Running:
        log = etcd.log(index)
        return Running(log.stem, etcd.pid(index), etcd.endpoints[index], log, f"{log.parent}/")
