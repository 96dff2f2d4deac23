"""Public-key sealing: only the destination can read a message, and only its sender can read the response. Pure.

X25519 (RFC 7748), HKDF-SHA-256 (RFC 5869), AES-256-GCM. The secrets are those of pattern NK of the Noise Protocol
Framework (revision 34, 7.5). The first secret, of an ephemeral key and the destination's key, seals the message. That
secret and the secret of two ephemeral keys seal the response. So only the destination can respond, and later theft of
any key opens no response. Sealing does not name the sender: the content is signed.

An ephemeral key serves one message, or the messages of a session. In a session each message and each response has a
random nonce of 96 bits, and a response is bound to the nonce of its message. At most 2^16 messages share a key. Two of
them have equal nonces with a probability below 2^-64; NIST SP 800-38D, 8.3 permits 2^-32.

A destination stores no session. Each of its processes derives the secrets from any message, and draws a key for its
responses. Stolen memory of a process opens the sessions that it holds, and no earlier ones.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32  # of X25519, private and public, and of AES-256
ID_BYTES = 8
NONCE_BYTES = 12
SESSION_SECONDS = 300.0  # bounds the messages that a stolen memory opens; a new session costs 0.2 ms
SESSION_MESSAGES = 2**16  # bounds the probability of equal nonces
SESSIONS_KEPT = 1024  # at one end: 31 regions of four processes have 124 at a time with one destination
_ANSWERING_KEPT = 64  # processes of one destination, with restarts, that answer in one session
_TAG_BYTES = 16
_LENGTH_BYTES = 4
_BLOCK_BYTES = 4096  # messages are padded to a multiple, so that the length of a record equals that of a refusal
_Named = TypeVar("_Named")
_Kept = TypeVar("_Kept")


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


class Sessions(Generic[_Named, _Kept]):
    """One end's sessions by name, each for at most `SESSION_SECONDS` and `SESSION_MESSAGES`.

    Times are seconds of any clock that never goes back. `expire` removes those that are over.
    """

    def __init__(self) -> None:
        self._kept: dict[_Named, _Counted[_Kept]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def use(self, name: _Named, now: float) -> _Kept | None:
        """Returns the session for one more message; None where there is none, or where it is over."""
        found = self._kept.get(name)
        if found is None or found.is_over(now):
            return None
        found.messages += 1
        return found.kept

    def begin(self, name: _Named, kept: _Kept, now: float) -> None:
        """Keeps a session whose first message is under way; the oldest one ends where there are too many."""
        self.end(name)
        if len(self._kept) >= SESSIONS_KEPT:
            self.end(next(iter(self._kept)))
        self._kept[name] = _Counted(kept, now + SESSION_SECONDS)

    def end(self, name: _Named) -> None:
        """Forgets a session."""
        self._kept.pop(name, None)

    def expire(self, now: float) -> None:
        """Forgets the sessions that are over, with their secrets."""
        for name in [name for name, counted in self._kept.items() if counted.is_over(now)]:
            self.end(name)


@dataclass
class _Counted(Generic[_Kept]):
    kept: _Kept
    end: float
    messages: int = 1

    def is_over(self, now: float) -> bool:
        return now >= self.end or self.messages >= SESSION_MESSAGES


class PrivateKey:
    """The private half of a key, from 32 random bytes."""

    def __init__(self, secret: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._private.public_key().public_bytes_raw()
        """The half that others may know, 32 bytes."""
        self.id = key_id(self.public)
        self.sessions: Sessions[tuple[bytes, Route], _Receiving] = Sessions()
        """The sessions of senders with this key, by public key and route. They end with this key."""

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


@dataclass(frozen=True)
class Message:
    """Sealed bytes, and the nonce (12 bytes) of a message in a session; empty for the only message of its key."""

    sealed: bytes
    nonce: bytes = b""


class Sent:
    """A message sealed for a destination; opens the responses to it."""

    def __init__(self, content: bytes, end: "_Sending", nonce: bytes = b"") -> None:
        self._end = end
        self.message = Message(end.head + end.key.encrypt(content, nonce, b""), nonce)
        """The bytes that only the destination can open."""

    def open_answer(self, answer: Message) -> bytes:
        """Opens a response to this message. Raises Unreadable, also for a response that another member has sealed."""
        asked = self.message.nonce
        if len(answer.nonce) != len(asked):
            raise Unreadable("its nonce is not of this kind of batch")
        theirs, content = answer.sealed[:KEY_BYTES], answer.sealed[KEY_BYTES:]
        key = self._end.answered_by(theirs)
        opened = key.decrypt(content, answer.nonce, asked)
        self._end.remember(theirs, key)
        return opened


def sent_alone(content: bytes, public: bytes, drawn: bytes, route: Route) -> Sent:
    """Seals one message to the destination's public key, by 32 random bytes that are used for nothing else.

    Raises KeyUnusable.
    """
    return Sent(content, _Sending(public, drawn, route, _ALONE))


class Session:
    """The sender's end of a session with one key of a destination."""

    def __init__(self, public: bytes, drawn: bytes, route: Route) -> None:
        """Takes the destination's public key, and 32 random bytes that are used for nothing else.

        Raises KeyUnusable.
        """
        self.public = public
        self._end = _Sending(public, drawn, route, _IN_SESSION)

    def send(self, content: bytes, nonce: bytes) -> Sent:
        """Seals one message of the session under a random nonce of 12 bytes. Raises ValueError for any other length."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError("a message of a session has a nonce of 12 bytes")
        return Sent(content, self._end, nonce)


class Received:
    """Something that was sealed for this destination, opened, and the way to answer it."""

    def __init__(self, message: Message, find: Callable[[bytes], PrivateKey | None], route: Route, now: float) -> None:
        """`find` returns the private key of an id; `now` is the time of `Sessions`.

        Raises KeyUnknown without that key, and Unreadable.
        """
        sealed, self._nonce = message.sealed, message.nonce
        named, theirs, content = sealed[:ID_BYTES], sealed[ID_BYTES:][:KEY_BYTES], sealed[ID_BYTES + KEY_BYTES :]
        if len(content) < _TAG_BYTES or len(self._nonce) not in (0, NONCE_BYTES):
            raise Unreadable("it is too short")
        own = find(named)
        if own is None:
            raise KeyUnknown(named)
        end = own.sessions.use((theirs, route), now) if self._nonce else None
        self._end = end or _Receiving(own, theirs, route, _IN_SESSION if self._nonce else _ALONE)
        self.content = self._end.key.decrypt(content, self._nonce, b"")
        if self._nonce and end is None:
            own.sessions.begin((theirs, route), self._end, now)

    def answer(self, content: bytes, draw: Callable[[int], bytes]) -> Message:
        """Seals the answer for the sender; `draw` is a source of random bytes."""
        nonce = draw(NONCE_BYTES) if self._nonce else b""
        ours, key = self._end.answering(draw)
        return Message(ours + key.encrypt(content, nonce, self._nonce), nonce)


@dataclass(frozen=True)
class _Purposes:
    """The purposes of both keys: no key serves both directions, or both a single message and a session."""

    sent: bytes
    answered: bytes


_ALONE = _Purposes(b"crossregion.sent.v1", b"crossregion.answered.v1")
_IN_SESSION = _Purposes(b"crossregion.sent.v2", b"crossregion.answered.v2")


class _Key:
    """A derived key, and the nonce of the only message that a key without a session seals."""

    def __init__(self, purpose: bytes, secret: bytes, keys: tuple[bytes, ...], route: Route) -> None:
        told = (*keys, route.origin.encode(), route.destination.encode())
        info = purpose + b"".join(len(each).to_bytes(4, "big") + each for each in told)
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES + NONCE_BYTES, salt=None, info=info).derive(secret)
        self._cipher = AESGCM(derived[:KEY_BYTES])
        self._nonce = derived[KEY_BYTES:]

    def encrypt(self, content: bytes, nonce: bytes, about: bytes) -> bytes:
        told = len(content).to_bytes(_LENGTH_BYTES, "big") + content
        return self._cipher.encrypt(nonce or self._nonce, told + bytes(-len(told) % _BLOCK_BYTES), about)

    def decrypt(self, content: bytes, nonce: bytes, about: bytes) -> bytes:
        if len(content) < _TAG_BYTES:
            raise Unreadable("it is too short")
        try:
            filled = self._cipher.decrypt(nonce or self._nonce, content, about)
        except InvalidTag:
            raise Unreadable("it is not sealed to this key for this route, or was altered") from None
        length = int.from_bytes(filled[:_LENGTH_BYTES], "big")
        return filled[_LENGTH_BYTES : _LENGTH_BYTES + length]


class _Sending:
    """The sender's secrets, for one message or for a session."""

    def __init__(self, public: bytes, drawn: bytes, route: Route, purposes: _Purposes) -> None:
        self._own = PrivateKey(drawn)
        self._public = public
        self._route = route
        self._answered = purposes.answered
        self._secret = self._own.secret_with(public)
        self._answering: dict[bytes, _Key] = {}
        self.head = key_id(public) + self._own.public
        self.key = _Key(purposes.sent, self._secret, (self._own.public, public), route)

    def answered_by(self, theirs: bytes) -> _Key:
        """The key of answers from the process that drew a public key. Raises Unreadable."""
        known = self._answering.get(theirs)
        if known is not None:
            return known
        try:
            secret = self._secret + self._own.secret_with(theirs)
        except KeyUnusable:
            raise Unreadable("it is too short, or brings no key") from None
        return _Key(self._answered, secret, (self._own.public, self._public, theirs), self._route)

    def remember(self, theirs: bytes, key: _Key) -> None:
        """Keeps a key that has opened an answer."""
        if len(self._answering) >= _ANSWERING_KEPT:
            self._answering.clear()
        self._answering[theirs] = key


class _Receiving:
    """The destination's secrets of one message, or of a session in one process."""

    def __init__(self, own: PrivateKey, theirs: bytes, route: Route, purposes: _Purposes) -> None:
        """Raises Unreadable."""
        try:
            self._secret = own.secret_with(theirs)
        except KeyUnusable:
            raise Unreadable("it brings no key") from None
        self._keys = (theirs, own.public)
        self._route = route
        self._purposes = purposes
        self._answering: tuple[bytes, _Key] | None = None
        self.key = _Key(purposes.sent, self._secret, self._keys, route)

    def answering(self, draw: Callable[[int], bytes]) -> tuple[bytes, _Key]:
        """The public key drawn for answers, and the key that seals them; both stay the same in a session."""
        if self._answering is not None:
            return self._answering
        drawn = PrivateKey(draw(KEY_BYTES))
        secret = self._secret + drawn.secret_with(self._keys[0])
        answering = (drawn.public, _Key(self._purposes.answered, secret, (*self._keys, drawn.public), self._route))
        if self._purposes is _IN_SESSION:
            self._answering = answering
        return answering
