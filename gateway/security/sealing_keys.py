"""The keys for batches between regions: each region publishes its key, and proves it by its signature."""

from collections.abc import Callable
from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import SealingKey
from gateway.security.region_keys import KeySet
from gateway.security.sealing import KEY_BYTES
from gateway.security.signing import SEALING_KEY, Signer
from gateway.time.clock import to_microseconds

_TIME_BYTES = 8
Verify = Callable[[str, bytes, bytes, bytes], bool]


def published(keys: KeySet, signer: Signer, now: datetime) -> SealingKey:
    """The region's key in use, signed by the region."""
    told = SealingKey(key=keys.in_use.sealing.public, sign_time_us=to_microseconds(now))
    told.signature = signer.sign(SEALING_KEY, _signed(told))
    return told


def is_proven(region: str, told: SealingKey, verify: Verify) -> bool:
    """Whether the region has signed that this is its key; `verify` is that of the trusted keys."""
    return len(told.key) == KEY_BYTES and verify(region, SEALING_KEY, _signed(told), told.signature)


class SealingKeys:
    """The keys of other regions known to a node: for each region the key that was signed last."""

    def __init__(self) -> None:
        self._known: dict[str, SealingKey] = {}

    def accept(self, region: str, told: SealingKey, verify: Verify) -> bool:
        """Stores the key that was signed later; returns False for a key that the region did not sign."""
        known = self._known.get(region)
        if known is not None and told.sign_time_us <= known.sign_time_us:
            return True
        if not is_proven(region, told, verify):
            return False
        self._known[region] = told
        return True

    def keep_proven(self, verify: Verify) -> None:
        """Forgets the keys that no trusted signing key proves any more, as of a revoked certificate.

        A thief of a signing key may have signed an own key, dated ahead of all later ones of the region.
        """
        self._known = {region: told for region, told in self._known.items() if is_proven(region, told, verify)}

    def told(self, region: str) -> SealingKey | None:
        """The key of a region as signed; None where none is known."""
        return self._known.get(region)

    def of(self, region: str) -> bytes | None:
        """The key of a region (32 bytes); None where none is known."""
        known = self._known.get(region)
        return None if known is None else known.key


def _signed(told: SealingKey) -> bytes:
    return told.sign_time_us.to_bytes(_TIME_BYTES, "big") + told.key
