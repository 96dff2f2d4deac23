"""The console that a node serves."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.process.files import FileUnusable
from gateway.security.provider_tokens import IdentityProvider
from gateway.time.clock import SteadyClock
from region_node.node.operator_scopes import AUDIT_SERVICE, OperatorScopes
from region_node.node.rules import OF_STAFF
from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole

_KEY_BYTES = 32


def consoles(
    settings: RegionSettings, clock: SteadyClock, scopes: OperatorScopes, provider: IdentityProvider | None
) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so. `provider` is that of `web.oidc`.

    Raises FileUnusable for the key of documents.
    """
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other nodes do without.
    from gateway.web.console.sign_in import Registration, SignInByProvider  # noqa: PLC0415
    from region_node.console.console import console  # noqa: PLC0415

    def may_audit(name: str) -> bool:
        return scopes.may_use(f"{OF_STAFF}{name}", AUDIT_SERVICE)

    made, oidc = console(settings.region, clock, may_audit, document_key(settings.web.document_key)), settings.web.oidc
    if oidc is None or provider is None:
        return (made,)
    registration = Registration(
        client_id=oidc.client_id,
        client_secret=oidc.client_secret,
        authorization_endpoint=oidc.authorization_endpoint,
        token_endpoint=oidc.token_endpoint,
        authority=oidc.authority,
        role_claim=oidc.role_claim,
        role=oidc.role,
    )
    return (replace(made, sign_in=SignInByProvider(provider, registration, settings.identity)),)


def document_key(path: Path | None) -> bytes | None:
    """The key of the hashes of papers in a file; None without one. Raises FileUnusable."""
    if path is None:
        return None
    try:
        key = path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}") from None
    if len(key) != _KEY_BYTES:
        raise FileUnusable(f"{path} has {len(key)} bytes; a key of documents has {_KEY_BYTES}")
    return key
