"""The identity providers of a region."""

from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass

from gateway.security.identity_provider import ProviderKeys
from gateway.security.provider_settings import IdentityProviderSettings
from region_node.node.settings import RegionSettings


@dataclass(frozen=True)
class IdentityProviders:
    """The identity providers of the settings, one for each use of tokens."""

    staff: ProviderKeys | None
    """Proves members of staff who act through operator systems."""
    console: ProviderKeys | None
    """Proves those who sign in at the console."""
    systems: ProviderKeys | None
    """Proves operator systems without a certificate."""

    @classmethod
    def of(cls, settings: RegionSettings) -> "IdentityProviders":
        """Those that the settings name. Raises ProviderKeysUnusable where a file cannot be used."""
        uses = settings.token_providers
        named = {(each.issuer, each.audience) for each in uses if each is not None}

        def others(use: IdentityProviderSettings) -> Collection[str]:
            return {audience for issuer, audience in named if issuer == use.issuer and audience != use.audience}

        return cls(*(None if each is None else ProviderKeys(each, others(each)) for each in uses))

    def loops(self) -> Sequence[Coroutine[None, None, None]]:
        """The loops that follow the files of keys, but for that of the console, which follows its own."""
        return [each.run() for each in (self.staff, self.systems) if each is not None]
