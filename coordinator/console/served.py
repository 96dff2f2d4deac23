"""The console that a coordinator serves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from coordinator.settings import CoordinatorSettings
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import Identity
from gateway.security.identity_provider import ProviderKeys
from gateway.security.staff_proofs import invalid
from gateway.time.clock import SteadyClock

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole


def consoles(settings: CoordinatorSettings, clock: SteadyClock) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so.

    Raises ProviderKeysUnusable for the keys of the provider by which administrators sign in.
    """
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other coordinators do without.
    from coordinator.console.console import console  # noqa: PLC0415
    from gateway.web.console.sign_in import SignInByProvider  # noqa: PLC0415

    def administrator(name: object) -> Identity:
        try:
            return Identity(settings.federation, Role.ROLE_ADMIN, "", name if isinstance(name, str) else "")
        except ValueError:
            raise invalid("it names no administrator", "未载明管理员") from None

    made, oidc = console(clock), settings.web.oidc
    if oidc is None:
        return (made,)
    return (replace(made, sign_in=SignInByProvider(ProviderKeys(oidc.provider), oidc, administrator)),)
