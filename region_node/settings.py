"""What `region-node serve` reads from its settings file."""

from dataclasses import dataclass
from pathlib import Path

from gateway.api.types.v1.access_pb2 import Role
from gateway.identity import Identity
from gateway.settings import host_of, require_address
from gateway.store.opening import PostgresqlSettings
from gateway.tls import Credentials

# On these a node listens, but nobody reaches it by them.
_EVERY_ADDRESS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104
_HIGHEST_NUMBER = 99999


@dataclass(frozen=True)
class SigningFiles:
    """Where the region's Ed25519 signing certificate and its key are, both PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class RegionSettings:
    """Settings of one region node."""

    federation: str
    """The trust domain: the name that stands in every certificate."""
    region: str
    """The region's id, for example `sichuan`."""
    listen: str
    """`host:port`; port 0 takes any free one."""
    data: Path
    """The directory of the database and of the last good configuration; made where it is missing."""
    coordinators: tuple[str, ...]
    """Where the coordinators serve: `host:port` each, at least one."""
    credentials: Credentials
    """The authority, the TLS certificate and its key of this node."""
    signing: SigningFiles
    """What the region signs with."""
    number: int = 0
    """The number of this process among those that serve the region's database; only PostgreSQL lets several."""
    advertise: str = ""
    """Where coordinators reach the node: `host:port`; empty is the host of `listen` with the port that it got."""
    reflection: bool = False
    """Whether gRPC reflection is served: for demos and development."""
    port_file: Path | None = None
    """A file that holds the port while this node serves."""
    postgresql: PostgresqlSettings | None = None
    """The region's database; without it the node keeps one of its own, SQLite, in `data`."""

    def __post_init__(self) -> None:
        Identity(self.federation, Role.ROLE_REGION, self.region, "")
        if not 0 <= self.number <= _HIGHEST_NUMBER:
            raise ValueError(f"number: must be 0 to {_HIGHEST_NUMBER}")
        if self.number and self.postgresql is None:
            raise ValueError("number: must be 0 without postgresql, because SQLite serves one process alone")
        require_address("listen", self.listen, lowest_port=0)
        if self.advertise:
            require_address("advertise", self.advertise)
        elif host_of(self.listen) in _EVERY_ADDRESS:
            raise ValueError(f"advertise: is needed, because nobody reaches the node at {self.listen}")
        if not self.coordinators:
            raise ValueError("coordinators: name at least one")
        for coordinator in self.coordinators:
            require_address("coordinators", coordinator)

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.data / "region-node.sqlite"

    def endpoint(self, port: int) -> str:
        """What coordinators are told of the node that got this port: `host:port`."""
        return self.advertise or f"{host_of(self.listen)}:{port}"
