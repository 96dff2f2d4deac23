"""The composition of a federation on one machine: the number of processes of each kind, and their engines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Engine(Enum):
    """The engine of a database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True)
class Placement:
    """The number of processes with the same service, and the engine of their database.

    SQLite serves one process alone.
    """

    engine: Engine = Engine.SQLITE
    processes: int = 1

    def __post_init__(self) -> None:
        if self.processes < 1 or (self.processes > 1 and self.engine is Engine.SQLITE):
            raise ValueError(f"{self.processes} processes on {self.engine.value}")


@dataclass(frozen=True)
class Profile:
    """The shape of a federation."""

    name: str
    coordinators: Placement = field(default_factory=Placement)
    etcd_members: int = 0
    """Members of the registry that the coordinators share; 0: the registry is embedded, in the only coordinator."""
    special: Mapping[str, Placement] = field(default_factory=dict)
    """Regions that are placed otherwise than the rest."""
    rest: Placement = field(default_factory=Placement)
    """The placement of all other regions."""

    def __post_init__(self) -> None:
        if self.coordinators.processes > 1 and not self.etcd_members:
            raise ValueError("several coordinators need etcd: an embedded registry is for one")

    def placement(self, region: str) -> Placement:
        """How a region is placed."""
        return self.special.get(region, self.rest)


EMBEDDED = Profile("embedded")
"""Everything in files: one coordinator with its own registry, one process and one SQLite file for each region."""

PRODUCTION = Profile(
    "production",
    coordinators=Placement(Engine.POSTGRESQL, 2),
    etcd_members=3,
    special={"guangdong": Placement(Engine.POSTGRESQL, 2)},
)
"""etcd, PostgreSQL, two coordinators, and two processes for the region where most of the business is done."""

PROFILES = {profile.name: profile for profile in (EMBEDDED, PRODUCTION)}
