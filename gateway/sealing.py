"""Answers that only who asked can read: sealed to a key that was drawn for one question. Pure.

X25519 (RFC 7748) between the asker's key and one of the sealer's own, HKDF-SHA-256 (RFC 5869) over what the answer
belongs to, AES-256-GCM. Both keys are drawn anew and kept nowhere, so that nothing can be opened afterwards either.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32  # of X25519, private and public, and of AES-256
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LENGTH_BYTES = 4
_BLOCK_BYTES = 512  # what is sealed is filled up to a multiple: its length does not tell a record from a refusal
_PURPOSE = b"crossregion.answer.v1"


class KeyUnusable(Exception):
    """The public key of a question is not one that anything can be sealed to."""


class AnswerUnreadable(Exception):
    """Sealed bytes that do not open: for another key or question, altered, or cut."""


@dataclass(frozen=True)
class Question:
    """What an answer belongs to: the envelope that asked, from one region to another."""

    envelope_id: str
    origin: str
    destination: str


class AnswerKey:
    """The asker's key of one question, from 32 random bytes."""

    def __init__(self, secret: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._private.public_key().public_bytes_raw()
        """The half that travels with the question, 32 bytes."""

    def open(self, sealed: bytes, question: Question) -> bytes:
        """What was sealed to this key for this question. Raises AnswerUnreadable."""
        theirs, content = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
        if len(content) < _TAG_BYTES:
            raise AnswerUnreadable("it is too short")
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(theirs))
            key, nonce = _derive(shared, self.public, theirs, question)
            filled = AESGCM(key).decrypt(nonce, content, None)
        except (InvalidTag, ValueError):
            raise AnswerUnreadable("it is not sealed to this question, or was altered") from None
        length = int.from_bytes(filled[:_LENGTH_BYTES], "big")
        return filled[_LENGTH_BYTES : _LENGTH_BYTES + length]


class AnswerSeal:
    """Seals the one answer to a question, to its public key and by 32 random bytes that are used for nothing else.

    Raises KeyUnusable for what is no public key, or one of those few that make every secret the same.
    """

    def __init__(self, public: bytes, secret: bytes, question: Question) -> None:
        own = X25519PrivateKey.from_private_bytes(secret)
        self._ours = own.public_key().public_bytes_raw()
        try:
            shared = own.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise KeyUnusable("it is no X25519 key") from None
        self._key, self._nonce = _derive(shared, public, self._ours, question)

    def seal(self, content: bytes) -> bytes:
        """What only the asker can open. To be called once: a second content would need a key of its own."""
        told = len(content).to_bytes(_LENGTH_BYTES, "big") + content
        filled = told + bytes(-len(told) % _BLOCK_BYTES)
        return self._ours + AESGCM(self._key).encrypt(self._nonce, filled, None)


def _derive(shared: bytes, asker: bytes, sealer: bytes, question: Question) -> tuple[bytes, bytes]:
    """Key and nonce. Neither is ever used twice, because the sealer's key is not."""
    names = (question.envelope_id, question.origin, question.destination)
    told = (asker, sealer, *(name.encode() for name in names))
    info = _PURPOSE + b"".join(len(each).to_bytes(4, "big") + each for each in told)
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES + _NONCE_BYTES, salt=None, info=info).derive(shared)
    return derived[:KEY_BYTES], derived[KEY_BYTES:]
