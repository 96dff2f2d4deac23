"""The settings of `region-node serve`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.api.types.v1.access_pb2 import Role
from gateway.backups.settings import BackupSettings
from gateway.federation.anchors import chosen_anchor
from gateway.security.authority import AUTHORITY_CERTIFICATE, SIGNING_CERTIFICATE, SIGNING_KEY, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import Identity
from gateway.security.provider_settings import IdentityProviderSettings
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
    web_address,
)
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.web.settings import OIDC_EXAMPLE, WebSettings
from gateway.wording.languages import translated

_HIGHEST_LEVEL = 5
_OWN_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class SigningFiles:
    """The files of the region's Ed25519 signing certificate and of its key, both PEM."""

    certificate: Path
    """The certificate that others verify the region's signatures by."""
    key: Path
    """The private key of that certificate."""


_CREDENTIALS = Credentials(Path(AUTHORITY_CERTIFICATE), Path(TLS_CERTIFICATE), Path(TLS_KEY))
_SIGNING = SigningFiles(Path(SIGNING_CERTIFICATE), Path(SIGNING_KEY))
_POSTGRESQL = PostgresqlSettings("host=127.0.0.1 dbname=sichuan user=sichuan")


@dataclass(frozen=True)
class FulfilmentSettings:
    """The region's own system that carries out orders (`provider.v1.FulfilmentService`)."""

    endpoint: str
    """Where it serves: `host:port`."""
    name: str
    """The name in its certificate: `region/<region>/provider/<name>`."""
    businesses: tuple[str, ...]
    """The codes of the businesses that it carries out, of joint orders the items; the node or staff do all others."""

    def __post_init__(self) -> None:
        require_address("endpoint", self.endpoint)
        if not self.businesses:
            raise ValueError(translated("{key}: name at least one", key="businesses"))


@dataclass(frozen=True)
class NotificationSettings:
    """The region's own system that sends texts to its customers (`provider.v1.NotificationService`)."""

    endpoint: str
    """Where it serves: `host:port`."""
    name: str
    """The name in its certificate: `region/<region>/provider/<name>`."""

    def __post_init__(self) -> None:
        require_address("endpoint", self.endpoint)


_BACKUP = BackupSettings("sftp:backup.example:/srv/backups/sichuan", Path("backup.password"))


@dataclass(frozen=True)
class AuthorizationServerSettings(IdentityProviderSettings):
    """The authorization server whose access tokens name operator systems without a certificate (OAuth 2, RFC 9068)."""

    name_claim: str = "client_id"
    """The claim with the name of the client: the `client_id` in the scope of one operator system."""


_OAUTH = AuthorizationServerSettings("https://id.example", "https://systems.sichuan.example", Path("staff-keys.json"))


@dataclass(frozen=True)
class NodeWebSettings(WebSettings):
    """The HTTPS listener of a node."""

    open_apis: bool = False
    """Whether TM Forum's Open APIs are served there, to whoever may call the RPCs behind them."""
    document_key: Path | None = field(default=None, metadata=example(Path("documents.key")))
    """The file of the 32 random bytes for the keyed hashes of papers, which all systems of the region share; without it
    the console takes in orders by documents on file alone."""
    oauth: AuthorizationServerSettings | None = field(default=None, metadata=example(_OAUTH))
    """The authorization server that names operator systems; without it their certificates alone do."""

    @property
    def secrets(self) -> Sequence[Path]:
        """As of other listeners, with the key of hashes."""
        return [*super().secrets, self.document_key] if self.document_key is not None else super().secrets

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.oauth is not None and not self.open_apis:
            raise ValueError(translated("{key}: needs {other}", key="web.oauth", other="web.open_apis = true"))


@dataclass(frozen=True)
class ListenerSettings:
    """The HTTPS addresses at which listeners of operator systems may be."""

    networks: tuple[str, ...] = field(default=(), metadata=example(("10.20.0.0/16",)))
    """Networks apart from the public one in which callbacks may be; without one only public addresses are called."""
    authority: Path | None = field(default=None, metadata=example(Path("listener-authority.crt")))
    """The authority of their certificates, PEM; those that the machine trusts where none is named."""

    def __post_init__(self) -> None:
        for network in self.networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(translated("{key}: {value} is no network", key="networks", value=network)) from None


_LISTENERS = ListenerSettings(("10.20.0.0/16",), Path("listener-authority.crt"))
_WEB = NodeWebSettings(
    "127.0.0.1:7643", Path("web-port"), console=True, oidc=OIDC_EXAMPLE, open_apis=True, oauth=_OAUTH
)
_FULFILMENT = FulfilmentSettings("127.0.0.1:7600", "network", ("ROAMING", "BB_INSTALL"))
_NOTIFICATION = NotificationSettings("127.0.0.1:7600", "messaging")


@dataclass(frozen=True)
class ProviderSettings:
    """The region's own systems that its node calls. Without one, the node does the work itself."""

    fulfilment: FulfilmentSettings | None = field(default=None, metadata=example(_FULFILMENT))
    """The system that carries out orders; without it the node's own records do."""
    notification: NotificationSettings | None = field(default=None, metadata=example(_NOTIFICATION))
    """The system that sends texts; without it no one-time code can be sent."""


@dataclass(frozen=True)
class WebhookSettings:
    """A webhook of the region's own that receives raised complaints by HTTPS."""

    url: str
    """Where it takes a POST: `https://…`; `http://` only on this machine."""
    lowest_level: int = 2
    """The lowest level that it is told of, 1 to 5; every complaint reaches level 1 as it is filed."""
    authority: Path | None = field(default=None, metadata=example(Path("webhook-authority.crt")))
    """The authority of its certificate, PEM; those that the machine trusts where none is named."""
    token: Path | None = field(default=None, metadata=example(Path("webhook.token")))
    """A file with the token that it is to be shown, `Authorization: Bearer …`; none without it."""

    def __post_init__(self) -> None:
        url = web_address(self.url)
        if url is None:
            raise ValueError(translated("{key}: is not the address of a webhook", key="url"))
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _OWN_MACHINE):
            raise ValueError(translated("{key}: must be https, except on this machine", key="url"))
        if not 1 <= self.lowest_level <= _HIGHEST_LEVEL:
            raise ValueError(
                translated("{key}: must be {least} to {most}", key="lowest_level", least=1, most=_HIGHEST_LEVEL)
            )


@dataclass(frozen=True)
class EscalationSettings:
    """The sinks of the notices to the escalation recipients."""

    file: Path | None = field(default=None, metadata=example(Path("escalations.jsonl")))
    """The file that gets a line of JSON for each level from 1 on; without it, `escalations.jsonl` in `data`."""
    webhook: WebhookSettings | None = field(
        default=None, metadata=example(WebhookSettings("https://duty.example/escalations"))
    )
    """The webhook that is told, too."""


_IDENTITY_PROVIDER = IdentityProviderSettings("https://id.example", "https://sichuan.example", Path("staff-keys.json"))
_ESCALATIONS = EscalationSettings(
    Path("escalations.jsonl"),
    WebhookSettings(
        "https://duty.example/escalations", authority=Path("webhook-authority.crt"), token=Path("webhook.token")
    ),
)


@dataclass(frozen=True)
class RegionSettings:
    """Settings of one region node."""

    federation: str = field(metadata=example("crossregion.example"))
    """The trust domain: the name that stands in every certificate."""
    region: str = field(metadata=example("sichuan"))
    """The region's id, for example `sichuan`."""
    listen: str = field(metadata=example("127.0.0.1:7443"))
    """`host:port`; port 0 takes any free one."""
    data: Path = field(metadata=example("data"))
    """The directory of the database and of the last good configuration; made where it is missing."""
    coordinators: tuple[str, ...] = field(metadata=example(("127.0.0.1:7000",)))
    """Where the coordinators serve: `host:port` each, at least one."""
    credentials: Credentials = field(metadata=example(_CREDENTIALS))
    """The authority, the TLS certificate and its key of this node."""
    signing: SigningFiles = field(metadata=example(_SIGNING))
    """What the region signs with."""
    keys: Path = field(metadata=example("region.keys"))
    """The file of the keys under which personal data is stored, apart from the database and its backups; every process
    of the region has the same one. `region-node keys create` makes it."""
    federation_anchor: Path | None = field(default=None, metadata=example(Path("federation.anchor")))
    """The anchor file, by which signed configurations are verified: `coordinator federation anchor` writes it."""
    allow_unsigned_configuration: bool = False
    """Whether configurations are taken that no administrator has signed; without an anchor it has to be true."""
    renew_certificate: bool = True
    """Whether the node renews its TLS certificate by itself after two thirds of its life, into `renewed` in `data`; it
    needs an issuing program (`coordinator enrolments renew`)."""
    operators: Path | None = field(default=None, metadata=example(Path("operators.toml"), is_usual=True))
    """The file of the scopes of the region's operator systems, which the first start takes over into the database."""
    allow_unscoped_operators: bool = False
    """Whether each operator system may do everything that the contract allows it, and is believed about its staff;
    without a file of scopes it has to be true."""
    identity_provider: IdentityProviderSettings | None = field(default=None, metadata=example(_IDENTITY_PROVIDER))
    """The identity provider of the region's staff; without it statements by their own certificates prove them alone."""
    number: int = 0
    """The number of this process among those that serve the region's database; only PostgreSQL lets several."""
    advertise: str = field(default="", metadata=example("node.example:7443"))
    """Where coordinators reach the node: `host:port`; empty is the host of `listen` with the port that it got."""
    staff_id: str = field(default="", metadata=example("4711"))
    """Who asks, where a command of business is told by neither `--staff-id` nor CROSSREGION_STAFF_ID."""
    reflection: bool = False
    """Whether gRPC reflection is served: for demos and development."""
    log_format: str = field(default="text", metadata=example("json"))
    """How a line of the log is written to standard error: `text`, or `json` with trace ids, for programs."""
    port_file: Path | None = field(default=None, metadata=example("port"))
    """A file that holds the port while this node serves."""
    postgresql: PostgresqlSettings | None = field(default=None, metadata=example(_POSTGRESQL))
    """The region's database; without it the node keeps one of its own, SQLite, in `data`."""
    backup: BackupSettings | None = field(default=None, metadata=example(_BACKUP))
    """Where `backups create` copies the database to; nowhere without it."""
    scratch: Path | None = field(default=None, metadata=example(Path("scratch")))
    """The directory in which backups are made and proven: on a disk with room for three times the stores. In `data`
    without it."""
    web: NodeWebSettings | None = field(default=None, metadata=example(_WEB))
    """The HTTPS listener, which serves `/metrics`, and TM Forum's Open APIs; none without it."""
    listeners: ListenerSettings = field(default_factory=ListenerSettings, metadata=example(_LISTENERS))
    """Where listeners of operator systems may be."""
    providers: ProviderSettings = field(
        default_factory=ProviderSettings, metadata=example(ProviderSettings(_FULFILMENT, _NOTIFICATION))
    )
    """The region's own systems that the node calls."""
    escalations: EscalationSettings = field(default_factory=EscalationSettings, metadata=example(_ESCALATIONS))
    """Where the escalation recipients are told of complaints that were raised."""

    def __post_init__(self) -> None:
        with naming("federation"):
            Identity(self.federation, Role.ROLE_COORDINATOR, "", "0")
        with naming("region"):
            _ = self.identity
        require_number(self.number)
        if self.number and self.postgresql is None:
            raise ValueError(
                translated("number: must be 0 without postgresql, because SQLite serves one process alone")
            )
        if self.operators is None and not self.allow_unscoped_operators:
            raise ValueError(
                translated(
                    "operators: is missing. It names the file that says what each operator system may do; a region that"
                    " lets each do everything sets allow_unscoped_operators"
                )
            )
        if self.operators is not None and self.allow_unscoped_operators:
            raise ValueError(translated("allow_unscoped_operators: must be false beside a file of operators"))
        require_choice("log_format", self.log_format, LOG_FORMATS)
        require_address("listen", self.listen, lowest_port=0)
        if self.advertise:
            require_address("advertise", self.advertise)
        elif on_every_interface(self.listen):
            raise ValueError(
                translated("advertise: is needed, because nobody reaches the node at {listen}", listen=self.listen)
            )
        if not self.coordinators:
            raise ValueError(translated("{key}: name at least one", key="coordinators"))
        for coordinator in self.coordinators:
            require_address("coordinators", coordinator)
        self._require_audiences()
        for key, provider in (("fulfilment", self.providers.fulfilment), ("notification", self.providers.notification)):
            if provider is not None:
                with naming(f"providers.{key}.name"):
                    Identity(self.federation, Role.ROLE_PROVIDER, self.region, provider.name)

    def _require_audiences(self) -> None:
        """Raises ValueError where a token for one use would count for another one."""
        providers = [each for each in self.token_providers if each is not None]
        if len({(each.issuer, each.audience) for each in providers}) < len(providers):
            raise ValueError(
                translated("web: identity_provider, web.oidc and web.oauth need an audience each, no two the same")
            )

    def anchor(self) -> Anchor | None:
        """The anchor of its file; None with `allow_unsigned_configuration`. Raises CredentialsUnusable."""
        return chosen_anchor(self.federation_anchor, self.federation, allows_unsigned=self.allow_unsigned_configuration)

    @property
    def token_providers(
        self,
    ) -> tuple[IdentityProviderSettings | None, IdentityProviderSettings | None, IdentityProviderSettings | None]:
        """Those of staff who act through operator systems, of people at the console, and of operator systems."""
        web = self.web
        oidc = None if web is None or web.oidc is None else web.oidc.provider
        return self.identity_provider, oidc, None if web is None else web.oauth

    @property
    def identity(self) -> Identity:
        """The region, as the node's certificate must name it."""
        return Identity(self.federation, Role.ROLE_REGION, self.region, "")

    @property
    def own_credentials(self) -> Credentials:
        """The credentials by which the node shows itself: as they were issued, or renewed since."""
        if not self.renew_certificate:
            return self.credentials
        return RenewedCredentials.of(self.credentials, self.data / "renewed")

    @property
    def secrets(self) -> Sequence[Path]:
        """The files that the node takes only where nobody else may read them; it writes renewed keys itself."""
        found = [self.credentials.key, self.signing.key, self.keys]
        found += self.backup.secrets if self.backup is not None else []
        found += self.postgresql.secrets if self.postgresql is not None else []
        found += self.web.secrets if self.web is not None else []
        webhook = self.escalations.webhook
        return [*found, webhook.token] if webhook is not None and webhook.token is not None else found

    @property
    def database(self) -> DatabasePlace:
        """The region's database."""
        archive = None if self.backup is None else self.backup.archive(self.data)
        return DatabasePlace(self.data / "region-node.sqlite", self.postgresql, archive)

    @property
    def escalation_file(self) -> Path:
        """The file with a line for each level that a complaint reaches."""
        return self.escalations.file or self.data / "escalations.jsonl"

    def endpoint(self, port: int) -> str:
        """The node's advertised address, with the port that it received: `host:port`."""
        return self.advertise or f"{host_of(self.listen)}:{port}"
