"""The keys for batches between regions: each region publishes its key, and proves it by its signature."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509

from gateway.api.federation.v1.federation_pb2 import SealingKey
from gateway.security.region_keys import KeySet
from gateway.security.sealing import KEY_BYTES
from gateway.security.signing import SEALING_KEY, Signer, is_signed_under
from gateway.time.clock import to_microseconds

_TIME_BYTES = 8
_REMEMBERED = 1024
SignerOf = Callable[[str, bytes, bytes, bytes], x509.Certificate | None]


class _Known(NamedTuple):
    told: SealingKey
    prover: x509.Certificate


def published(keys: KeySet, signer: Signer, now: datetime) -> SealingKey:
    """The region's key in use, signed by the region."""
    told = SealingKey(key=keys.in_use.sealing.public, sign_time_us=to_microseconds(now))
    told.signature = signer.sign(SEALING_KEY, _signed(told))
    return told


def prover_of(region: str, told: SealingKey, signer_of: SignerOf) -> x509.Certificate | None:
    """The certificate by which the region has signed that this is its key; None where it has not.

    `signer_of` is that of the trusted keys.
    """
    return signer_of(region, SEALING_KEY, _signed(told), told.signature) if len(told.key) == KEY_BYTES else None


def is_proven_by(certificate: bytes, told: SealingKey) -> bool:
    """Whether the owner of a signing certificate (PEM) has signed that this is its key. False for no certificate."""
    return _is_signed_under(certificate, _signed(told), told.signature)


@lru_cache(_REMEMBERED)
def _is_signed_under(certificate: bytes, signed: bytes, signature: bytes) -> bool:
    # A coordinator asks with each heartbeat, and nearly always for the same.
    return is_signed_under(certificate, SEALING_KEY, signed, signature)


class SealingKeys:
    """The keys of other regions known to a node: for each region the key that was signed last."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def accept(self, region: str, told: SealingKey, signer_of: SignerOf) -> bool:
        """Stores the key that was signed later; returns False for a key that the region did not sign.

        `signer_of` is as in `prover_of`. The statement that is known already counts by the certificate that proves it
        now. A coordinator does not repeat it when an authority goes that has certified the same signing key before.
        """
        known = self._known.get(region)
        is_known = known is not None and told == known.told
        if known is not None and not is_known and told.sign_time_us <= known.told.sign_time_us:
            return True
        prover = prover_of(region, told, signer_of)
        if prover is not None:
            self._known[region] = _Known(told, prover)
        return is_known or prover is not None

    def forget_proven_by(self, is_distrusted: Callable[[x509.Certificate], bool]) -> None:
        """Forgets the keys that were accepted by a certificate which counts no more, also where it has expired since.

        A thief of a signing key may have signed an own key, dated ahead of all later ones of the region. A key that
        another certificate proved stays, though that one may have expired: coordinators may tell no later signature.
        """
        self._known = {region: known for region, known in self._known.items() if not is_distrusted(known.prover)}

    def told(self, region: str) -> SealingKey | None:
        """The key of a region as signed; None where none is known."""
        known = self._known.get(region)
        return None if known is None else known.told

    def of(self, region: str) -> bytes | None:
        """The key of a region (32 bytes); None where none is known."""
        told = self.told(region)
        return None if told is None else told.key


def _signed(told: SealingKey) -> bytes:
    return told.sign_time_us.to_bytes(_TIME_BYTES, "big") + told.key
