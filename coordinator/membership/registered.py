"""What a coordinator knows of a region before the region has called it."""

import contextlib
from datetime import datetime

from coordinator.registry.port import Registry
from gateway.errors import Refused
from gateway.security.signing import TrustedKeys


def trust_registered(registry: Registry, keys: TrustedKeys, region: str, now: datetime) -> None:
    """Trusts the signing certificate that the registry has of a region, if it is valid at `now` (aware)."""
    certificate = registry.snapshot().facts(region).signing_certificate
    if certificate:
        with contextlib.suppress(Refused):
            keys.accept(region, certificate, now)
