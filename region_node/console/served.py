"""The console that a node serves."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.api.federation.v1.terms_pb2 import RegionTerm, Terms
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.process.files import FileUnusable
from gateway.security.identity import Identity
from gateway.security.identity_provider import ProviderKeys
from gateway.security.staff_proofs import staff_id_of
from gateway.time.clock import SteadyClock
from region_node.node.operator_scopes import AUDIT_SERVICE, OperatorScopes
from region_node.node.rules import OF_STAFF
from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole

_KEY_BYTES = 32


def consoles(
    settings: RegionSettings,
    clock: SteadyClock,
    scopes: OperatorScopes,
    keys: ProviderKeys | None,
    current: CurrentFederation,
) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so.

    `keys` are those of `web.oidc`, and `current` has the name of the region.

    Raises FileUnusable for the key of documents.
    """
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other nodes do without.
    from gateway.web.console.sign_in import SignInByProvider  # noqa: PLC0415
    from region_node.console.console import console  # noqa: PLC0415

    def may_audit(name: str) -> bool:
        return scopes.may_use(f"{OF_STAFF}{name}", AUDIT_SERVICE)

    def member_of_staff(name: object) -> Identity:
        return Identity(settings.federation, Role.ROLE_STAFF, settings.region, staff_id_of(name))

    made = console(settings.region, clock, may_audit, document_key(settings.web.document_key))
    made, oidc = replace(made, at_hand=partial(own_name, current, settings.region)), settings.web.oidc
    if oidc is None or keys is None:
        return (made,)
    return (replace(made, sign_in=SignInByProvider(keys, oidc, member_of_staff)),)


def own_name(current: CurrentFederation, region: str) -> Terms:
    """The name of a region by the configuration in force; none before the first, or where that lacks the region."""
    try:
        own = current.federation.region(region)
    except Refused:
        return Terms()
    return Terms(regions=[RegionTerm(region=own.id, name=own.name, time_zone=own.time_zone)])


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
