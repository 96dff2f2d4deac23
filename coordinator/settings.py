"""What `coordinator serve` reads from its settings file."""

from dataclasses import dataclass
from pathlib import Path

from coordinator.registry.etcd.settings import EtcdSettings
from gateway.settings import host_of, require_address
from gateway.store.opening import PostgresqlSettings
from gateway.tls import Credentials

# On these a coordinator listens, but nobody reaches it by them.
_EVERY_ADDRESS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104
_HIGHEST_NUMBER = 99999
# A node that misses one heartbeat is not lost: at least this many fit into a lease.
_BEATS_IN_LEASE = 2


@dataclass(frozen=True)
class CoordinatorSettings:
    """Settings of one coordinator."""

    federation: str
    """The trust domain: the name that stands in every certificate."""
    listen: str
    """`host:port`; port 0 takes any free one."""
    data: Path
    """The directory of the database; made where it is missing."""
    credentials: Credentials
    """The authority, the certificate and the key of this coordinator."""
    number: int = 0
    """The number of this replica, as in its certificate."""
    advertise: str = ""
    """How others reach this replica: `host:port`; empty is the host of `listen` with the port that it got."""
    reflection: bool = False
    """Whether gRPC reflection is served: for demos and development."""
    heartbeat_interval: float = 2.0
    """Seconds between heartbeats, as nodes are told."""
    lease: float = 10.0
    """Seconds without a heartbeat after which an endpoint is no longer used."""
    port_file: Path | None = None
    """A file that holds the port while this coordinator serves."""
    postgresql: PostgresqlSettings | None = None
    """The database of the coordinators; without it this one keeps one of its own, SQLite, in `data`."""
    etcd: EtcdSettings | None = None
    """The registry that several coordinators share; without it there is exactly one, with a registry of its own."""

    def __post_init__(self) -> None:
        require_address("listen", self.listen, lowest_port=0)
        if self.advertise:
            require_address("advertise", self.advertise)
        elif self.etcd is not None and host_of(self.listen) in _EVERY_ADDRESS:
            raise ValueError(f"advertise: is needed, because nobody reaches this replica at {self.listen}")
        if self.etcd is not None and self.etcd.credentials.authority == self.credentials.authority:
            raise ValueError("etcd.credentials.authority: must be etcd's own, else every member could open etcd")
        if not 0 <= self.number <= _HIGHEST_NUMBER:
            raise ValueError(f"number: must be 0 to {_HIGHEST_NUMBER}")
        if self.heartbeat_interval <= 0:
            raise ValueError("heartbeat_interval: must be more than 0 seconds")
        if self.lease < _BEATS_IN_LEASE * self.heartbeat_interval:
            raise ValueError(f"lease: must be at least {_BEATS_IN_LEASE} times heartbeat_interval")

    @property
    def name(self) -> str:
        """What others call this coordinator, for example `coordinator/0`."""
        return f"coordinator/{self.number}"

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return host_of(self.listen)

    def endpoint(self, port: int) -> str:
        """How others reach this replica, which got this port: `host:port`."""
        return self.advertise or f"{self.host}:{port}"

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.data / "coordinator.db"
