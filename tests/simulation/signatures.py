"""The signing keys of the regions: a signature that was made in this process counts without another calculation.

A run verifies each signature at its destination, at each repetition and in the checks. Any other one is calculated.
"""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import Buffer

from gateway.security.signing import Signer, TrustedKeys, _Accepted

_MADE = 4_096  # signatures of a region: more than those of a run


class SignedKey(Ed25519PublicKey):
    """A public key that knows the last signatures of its private half."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self._made: dict[bytes, bytes] = {}

    def note(self, signature: bytes, signed: bytes) -> None:
        """The private half has made a signature."""
        self._made[signature] = signed
        if len(self._made) > _MADE:
            del self._made[next(iter(self._made))]

    def verify(self, signature: Buffer, data: Buffer) -> None:
        """See cryptography."""
        if self._made.get(bytes(signature)) != data:
            self._key.verify(signature, data)

    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes:  # noqa: A002 - of the base
        """See cryptography."""
        return self._key.public_bytes(encoding, format)

    def public_bytes_raw(self) -> bytes:
        """See cryptography."""
        return self._key.public_bytes_raw()

    def __eq__(self, other: object) -> bool:
        return self._key == other

    def __hash__(self) -> int:
        return hash(self.public_bytes_raw())

    def __copy__(self) -> "SignedKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "SignedKey":
        return self


class NotingSigner(Signer):
    """Signs as the shipped one, and has the public key know it."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        super().__init__(private_key)
        self.verifying = SignedKey(private_key.public_key())

    def _signature(self, signed: bytes) -> bytes:
        signature = super()._signature(signed)
        self.verifying.note(signature, signed)
        return signature


class KnownKeys(TrustedKeys):
    """Verifies certificates and signatures as the shipped ones, by the keys that know theirs."""

    def __init__(self, authority: bytes, federation: str, known: Callable[[str], SignedKey]) -> None:
        super().__init__(authority, federation)
        self._known = known

    def _verified(self, region: str, pem: bytes) -> _Accepted:
        accepted, known = super()._verified(region, pem), self._known(region)
        return replace(accepted, key=known) if known == accepted.key else accepted
