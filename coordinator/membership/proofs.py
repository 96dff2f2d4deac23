"""Signatures in heartbeats. Most statements of a region are unchanged, and known by their bytes."""

from dataclasses import dataclass, field

from gateway.security.signing import TrustedKeys

_Statement = tuple[bytes, bytes, bytes]  # domain, content, signature


@dataclass(frozen=True)
class _Known:
    """The last verified statements of a region."""

    trusted: tuple[bytes, ...]
    """The certificates by whose keys they were verified."""
    statements: dict[_Statement, None] = field(default_factory=dict)
    """In the order of their verification."""


class Proofs:
    """Verifies each statement of a region once. At most `limit` statements of a region are remembered."""

    def __init__(self, keys: TrustedKeys, limit: int) -> None:
        self._keys = keys
        self._limit = limit
        self._known: dict[str, _Known] = {}

    def verify(self, region: str, domain: bytes, content: bytes, signature: bytes) -> bool:
        """As `TrustedKeys.verify`. A change of the region's trusted keys makes it forget its statements."""
        trusted = self._keys.trusted(region)
        known = self._known.get(region)
        if known is None or known.trusted != trusted:
            known = self._known[region] = _Known(trusted)
        statement = domain, content, signature
        if statement in known.statements:
            return True
        if not self._keys.verify(region, domain, content, signature):
            return False
        known.statements[statement] = None
        if len(known.statements) > self._limit:
            del known.statements[next(iter(known.statements))]
        return True
