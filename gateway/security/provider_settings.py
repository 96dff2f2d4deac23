"""The settings of an identity provider."""

from dataclasses import dataclass
from pathlib import Path

from gateway.wording.languages import translated


@dataclass(frozen=True)
class IdentityProviderSettings:
    """An identity provider, whose tokens prove people (OpenID Connect, RFC 9068)."""

    issuer: str
    """The issuer of its tokens, `iss`."""
    audience: str
    """The audience of tokens for this use, `aud`; each use has another one."""
    keys: Path
    """The file of its keys, a JWK set; read again when it changes."""
    name_claim: str = "preferred_username"
    """The claim with the name: the same one as in a certificate of that person."""

    def __post_init__(self) -> None:
        for key in ("issuer", "audience", "name_claim"):
            value = getattr(self, key)
            if not value.isascii() or not value.isprintable() or not value or " " in value:
                raise ValueError(translated("{key}: must be a text without a space", key=key))
