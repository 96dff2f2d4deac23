"""The settings of the HTTPS listener of a process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.security.provider_settings import IdentityProviderSettings
from gateway.settings import example, require_address, web_address
from gateway.wording.languages import translated


@dataclass(frozen=True)
class SignInSettings:
    """The identity provider by which people sign in at the console without a certificate (OpenID Connect Core)."""

    issuer: str
    """The issuer of its ID tokens, `iss`."""
    client_id: str
    """The console as the provider names it: the audience of ID tokens."""
    client_secret: Path
    """The file with the secret of the client; read at each use."""
    keys: Path
    """The file of the keys of the provider, a JWK set; read again when it changes."""
    authorization_endpoint: str
    """The address at which people sign in: `https://…`."""
    token_endpoint: str
    """The address at which the process gets ID tokens: `https://…`."""
    role: str
    """The text that `role_claim` has, or contains, of those who may sign in."""
    role_claim: str = "groups"
    """The claim with the roles or groups of a person."""
    name_claim: str = "preferred_username"
    """The claim with the staff id, or the name of an administrator, which people cannot change by themselves."""
    authority: Path | None = None
    """The authority of the token endpoint, PEM; those that the machine trusts where none is named."""

    def __post_init__(self) -> None:
        _ = self.provider
        for key in ("role", "role_claim"):
            if not getattr(self, key):
                raise ValueError(translated("{key}: must be a text without a space", key=key))
        for key in ("authorization_endpoint", "token_endpoint"):
            url = web_address(getattr(self, key))
            if url is None or url.scheme != "https":
                raise ValueError(translated("{key}: must be an address https://…", key=key))

    @property
    def provider(self) -> IdentityProviderSettings:
        """The identity provider of ID tokens, whose audience is the client (OpenID Connect Core, 2)."""
        return IdentityProviderSettings(self.issuer, self.client_id, self.keys, self.name_claim)


OIDC_EXAMPLE = SignInSettings(
    issuer="https://id.example",
    client_id="sichuan-console",
    client_secret=Path("console.secret"),
    keys=Path("console-keys.json"),
    authorization_endpoint="https://id.example/authorize",
    token_endpoint="https://id.example/token",  # noqa: S106 - an address
    role="sichuan-staff",
    authority=Path("identity-provider.crt"),
)


@dataclass(frozen=True)
class WebSettings:
    """The HTTPS listener of a process, with the certificate of the process."""

    listen: str
    """`host:port`; port 0 takes any free one."""
    port_file: Path | None = field(default=None, metadata=example("web-port"))
    """A file that holds the port while this process serves."""
    console: bool = False
    """Whether the console is served there, below `/console`: of a node for its staff, else for administrators."""
    oidc: SignInSettings | None = field(default=None, metadata=example(OIDC_EXAMPLE))
    """The identity provider by which people sign in at the console; without it by their certificates alone."""

    @property
    def secrets(self) -> Sequence[Path]:
        """The file with the secret of the console at the identity provider, if there is one."""
        return [] if self.oidc is None else [self.oidc.client_secret]

    def __post_init__(self) -> None:
        require_address("web.listen", self.listen, lowest_port=0)
        if self.oidc is not None and not self.console:
            raise ValueError(translated("{key}: needs {other}", key="web.oidc", other="web.console = true"))
