"""The stored facts of a region, from before its first call to this coordinator."""

import contextlib
from datetime import datetime

from coordinator.registry.port import Registry
from gateway.errors import Refused
from gateway.security.signing import TrustedKeys


def trust_registered(registry: Registry, keys: TrustedKeys, region: str, now: datetime) -> None:
    """Trusts the region's signing certificate in the registry, if it is valid at `now` (aware)."""
    certificate = registry.snapshot().facts(region).signing_certificate
    if certificate:
        with contextlib.suppress(Refused):
            keys.accept(region, certificate, now)
