"""The settings of `coordinator serve`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from coordinator.registry.etcd.settings import EtcdSettings
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.api.types.v1.access_pb2 import Role
from gateway.backups.settings import BackupSettings
from gateway.federation.anchors import chosen_anchor
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import Identity
from gateway.security.tls import Credentials, RenewedCredentials
from gateway.settings import (
    LOG_FORMATS,
    example,
    host_of,
    naming,
    on_every_interface,
    require_address,
    require_choice,
    require_number,
)
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.web.settings import OIDC_EXAMPLE, WebSettings
from gateway.wording.languages import translated

# A node that misses one heartbeat is not lost: at least this many fit into a lease.
_BEATS_IN_LEASE = 2
_CREDENTIALS = Credentials(Path(AUTHORITY_CERTIFICATE), Path(TLS_CERTIFICATE), Path(TLS_KEY))
_POSTGRESQL = PostgresqlSettings("host=127.0.0.1 dbname=coordinator user=coordinator")
_BACKUP = BackupSettings("sftp:backup.example:/srv/backups/coordinator", Path("backup.password"))
_OIDC = replace(OIDC_EXAMPLE, client_id="crossregion-administrators", role="crossregion-administrators")
_WEB = WebSettings("127.0.0.1:7643", Path("web-port"), console=True, oidc=_OIDC)
_ETCD = EtcdSettings(
    ("127.0.0.1:2379", "127.0.0.1:2479", "127.0.0.1:2579"),
    Credentials(Path("etcd-authority.crt"), Path("etcd.crt"), Path("etcd.key")),
)


@dataclass(frozen=True)
class EnrolmentSettings:
    """The port for the nodes of new regions, which have no certificate yet."""

    listen: str
    """`host:port`, another one than the coordinator's; open it while regions join, and to their networks alone."""

    def __post_init__(self) -> None:
        require_address("listen", self.listen, lowest_port=0)


@dataclass(frozen=True)
class CoordinatorSettings:
    """Settings of one coordinator."""

    federation: str = field(metadata=example("crossregion.example"))
    """The trust domain: the name that stands in every certificate."""
    listen: str = field(metadata=example("127.0.0.1:7000"))
    """`host:port`; port 0 takes any free one."""
    data: Path = field(metadata=example("data"))
    """The directory of the database; made where it is missing."""
    credentials: Credentials = field(metadata=example(_CREDENTIALS))
    """The authority, the certificate and the key of this coordinator."""
    number: int = 0
    """The number of this replica, as in its certificate."""
    federation_anchor: Path | None = field(default=None, metadata=example(Path("federation.anchor")))
    """The anchor file, by which signed configurations are verified: `coordinator federation anchor` writes it."""
    allow_unsigned_configuration: bool = False
    """Whether configurations are taken that no administrator has signed; without an anchor it has to be true."""
    renew_certificate: bool = True
    """Whether this replica renews its TLS certificate by itself after two thirds of its life, into `renewed` in `data`;
    it needs an issuing program (`coordinator enrolments renew`)."""
    advertise: str = field(default="", metadata=example("coordinator-0.example:7000"))
    """How others reach this replica: `host:port`; empty is the host of `listen` with the port that it got."""
    reflection: bool = False
    """Whether gRPC reflection is served: for demos and development."""
    heartbeat_interval: float = 2.0
    """Seconds between heartbeats, as nodes are told."""
    lease: float = 10.0
    """Seconds without a heartbeat after which an endpoint is no longer used."""
    log_format: str = field(default="text", metadata=example("json"))
    """How a line of the log is written to standard error: `text`, or `json` with trace ids, for programs."""
    port_file: Path | None = field(default=None, metadata=example("port"))
    """A file that holds the port while this coordinator serves."""
    enrolment: EnrolmentSettings | None = field(default=None, metadata=example(EnrolmentSettings("127.0.0.1:7001")))
    """Where new regions enrol; without it nobody can."""
    postgresql: PostgresqlSettings | None = field(default=None, metadata=example(_POSTGRESQL))
    """The database of the coordinators; without it this one keeps one of its own, SQLite, in `data`."""
    backup: BackupSettings | None = field(default=None, metadata=example(_BACKUP))
    """Where `backups create` copies the database to; nowhere without it."""
    scratch: Path | None = field(default=None, metadata=example(Path("scratch")))
    """The directory in which backups are made and proven: on a disk with room for three times the stores. In `data`
    without it."""
    web: WebSettings | None = field(default=None, metadata=example(_WEB))
    """The HTTPS listener, which serves `/metrics`, and the console where it says so; none without it."""
    etcd: EtcdSettings | None = field(default=None, metadata=example(_ETCD))
    """The registry that several coordinators share; without it there is exactly one, with a registry of its own."""

    def __post_init__(self) -> None:
        with naming("federation"):
            Identity(self.federation, Role.ROLE_COORDINATOR, "", "0")
        require_choice("log_format", self.log_format, LOG_FORMATS)
        require_address("listen", self.listen, lowest_port=0)
        if self.advertise:
            require_address("advertise", self.advertise)
        elif self.etcd is not None and on_every_interface(self.listen):
            raise ValueError(
                translated("advertise: is needed, because nobody reaches this replica at {listen}", listen=self.listen)
            )
        if self.enrolment is not None and self.enrolment.listen == self.listen and not self.listen.endswith(":0"):
            raise ValueError(translated("enrolment.listen: must be another one than listen"))
        if self.etcd is not None and self.etcd.credentials.authority == self.credentials.authority:
            raise ValueError(
                translated("etcd.credentials.authority: must be etcd's own, else every member could open etcd")
            )
        require_number(self.number)
        if self.heartbeat_interval <= 0:
            raise ValueError(translated("heartbeat_interval: must be more than 0 seconds"))
        if self.lease < _BEATS_IN_LEASE * self.heartbeat_interval:
            raise ValueError(
                translated("lease: must be at least {count} times heartbeat_interval", count=_BEATS_IN_LEASE)
            )

    @property
    def name(self) -> str:
        """This coordinator's name for others, for example `coordinator/0`."""
        return f"coordinator/{self.number}"

    def anchor(self) -> Anchor | None:
        """The anchor of its file; None with `allow_unsigned_configuration`. Raises CredentialsUnusable."""
        return chosen_anchor(self.federation_anchor, self.federation, allows_unsigned=self.allow_unsigned_configuration)

    @property
    def identity(self) -> Identity:
        """This coordinator's identity, which its certificate must name."""
        return Identity(self.federation, Role.ROLE_COORDINATOR, "", str(self.number))

    @property
    def own_credentials(self) -> Credentials:
        """The credentials by which this replica shows itself: as they were issued, or renewed since."""
        if not self.renew_certificate:
            return self.credentials
        return RenewedCredentials.of(self.credentials, self.data / "renewed")

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return host_of(self.listen)

    def endpoint(self, port: int) -> str:
        """How others reach this replica, which got this port: `host:port`."""
        return self.advertise or f"{self.host}:{port}"

    @property
    def secrets(self) -> Sequence[Path]:
        """The files that this coordinator takes only where nobody else may read them; it writes renewed keys itself."""
        found = [self.credentials.key]
        found += [self.etcd.credentials.key] if self.etcd is not None else []
        found += self.backup.secrets if self.backup is not None else []
        found += self.postgresql.secrets if self.postgresql is not None else []
        return [*found, *(self.web.secrets if self.web is not None else [])]

    @property
    def database(self) -> DatabasePlace:
        """The database of this coordinator, or of all."""
        archive = None if self.backup is None else self.backup.archive(self.data)
        return DatabasePlace(self.data / "coordinator.db", self.postgresql, archive)
