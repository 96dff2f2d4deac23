"""Public-key sealing: only the destination can read a message, and only its sender can read the response. Pure.

X25519 (RFC 7748), HKDF-SHA-256 (RFC 5869), AES-256-GCM. The secrets are those of pattern NK of the Noise Protocol
Framework (revision 34, 7.5). The first secret, of an ephemeral key and the destination's key, seals the message. That
secret and the secret of two ephemeral keys seal the response. So only the destination can respond, and later theft of
any key opens no response. Sealing does not name the sender: the content is signed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32  # of X25519, private and public, and of AES-256
ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LENGTH_BYTES = 4
_BLOCK_BYTES = 4096  # messages are padded to a multiple, so that the length of a record equals that of a refusal
_SENT = b"crossregion.sent.v1"
_ANSWERED = b"crossregion.answered.v1"


class KeyUnusable(Exception):
    """The public key is not usable for sealing."""


class KeyUnknown(Exception):
    """The data is sealed to a key that is missing here."""

    def __init__(self, key_id: bytes) -> None:
        super().__init__(key_id.hex())
        self.key_id = key_id


class Unreadable(Exception):
    """Sealed bytes that do not open: for another key or route, altered, or cut."""


@dataclass(frozen=True)
class Route:
    """From one region to another."""

    origin: str
    destination: str


class PrivateKey:
    """The private half of a key, from 32 random bytes."""

    def __init__(self, secret: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._private.public_key().public_bytes_raw()
        """The half that others may know, 32 bytes."""
        self.id = key_id(self.public)

    def secret_with(self, public: bytes) -> bytes:
        """The shared secret of both keys.

        Raises KeyUnusable for bytes that are no key, or that make every secret equal.
        """
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise KeyUnusable("it is no X25519 key") from None


def key_id(public: bytes) -> bytes:
    """The id of a public key, 8 bytes."""
    return hashlib.sha256(public).digest()[:ID_BYTES]


class Sent:
    """A message sealed for a destination; opens the responses to it."""

    def __init__(self, content: bytes, public: bytes, drawn: bytes, route: Route) -> None:
        """Seals to the destination's public key, by 32 random bytes that are used for nothing else.

        Raises KeyUnusable.
        """
        self._own = PrivateKey(drawn)
        self._public = public
        self._route = route
        self._secret = self._own.secret_with(public)
        told = (self._own.public, public)
        sealed = _encrypt(content, _derive(_SENT, self._secret, told, route))
        self.sealed = key_id(public) + self._own.public + sealed
        """The bytes that only the destination can open."""

    def open_answer(self, sealed: bytes) -> bytes:
        """Opens a response to this message. Raises Unreadable, also for a response that another member has sealed."""
        theirs, content = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
        try:
            secret = self._secret + self._own.secret_with(theirs)
        except KeyUnusable:
            raise Unreadable("it is too short, or brings no key") from None
        told = (self._own.public, self._public, theirs)
        return _decrypt(content, _derive(_ANSWERED, secret, told, self._route))


class Received:
    """Something that was sealed for this destination, opened, and the way to answer it."""

    def __init__(self, sealed: bytes, find: Callable[[bytes], PrivateKey | None], route: Route) -> None:
        """`find` returns the private key of an id. Raises KeyUnknown without one, and Unreadable."""
        named, self._theirs, content = sealed[:ID_BYTES], sealed[ID_BYTES:][:KEY_BYTES], sealed[ID_BYTES + KEY_BYTES :]
        if len(content) < _TAG_BYTES:
            raise Unreadable("it is too short")
        own = find(named)
        if own is None:
            raise KeyUnknown(named)
        try:
            self._secret = own.secret_with(self._theirs)
        except KeyUnusable:
            raise Unreadable("it brings no key") from None
        self._public = own.public
        self._route = route
        self.content = _decrypt(content, _derive(_SENT, self._secret, (self._theirs, own.public), route))

    def answer(self, content: bytes, drawn: bytes) -> bytes:
        """Seals an answer for the sender, by 32 random bytes that are used for nothing else."""
        own = PrivateKey(drawn)
        secret = self._secret + own.secret_with(self._theirs)
        told = (self._theirs, self._public, own.public)
        return own.public + _encrypt(content, _derive(_ANSWERED, secret, told, self._route))


_Derived = tuple[bytes, bytes]


def _derive(purpose: bytes, secret: bytes, keys: tuple[bytes, ...], route: Route) -> _Derived:
    """Derives key and nonce. Neither is used twice, because one of the input keys is ephemeral."""
    told = (*keys, route.origin.encode(), route.destination.encode())
    info = purpose + b"".join(len(each).to_bytes(4, "big") + each for each in told)
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES + _NONCE_BYTES, salt=None, info=info).derive(secret)
    return derived[:KEY_BYTES], derived[KEY_BYTES:]


def _encrypt(content: bytes, derived: _Derived) -> bytes:
    told = len(content).to_bytes(_LENGTH_BYTES, "big") + content
    key, nonce = derived
    return AESGCM(key).encrypt(nonce, told + bytes(-len(told) % _BLOCK_BYTES), None)


def _decrypt(content: bytes, derived: _Derived) -> bytes:
    if len(content) < _TAG_BYTES:
        raise Unreadable("it is too short")
    key, nonce = derived
    try:
        filled = AESGCM(key).decrypt(nonce, content, None)
    except InvalidTag:
        raise Unreadable("it is not sealed to this key for this route, or was altered") from None
    length = int.from_bytes(filled[:_LENGTH_BYTES], "big")
    return filled[_LENGTH_BYTES : _LENGTH_BYTES + length]
