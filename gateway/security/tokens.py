"""Private keys in tokens, by PKCS #11 (OASIS, version 2.40; Ed25519 by version 3.0): smart cards and security modules.

A key of this module is used like any other: the library of certificates signs by it, too. Where a token was away, the
next signature opens it again.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeVar

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.utils import Buffer
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from gateway.security.key_kinds import KeyUnusable, PrivateKey, PublicKey
from gateway.security.token_uris import TokenUri
from gateway.wording.languages import translated

T = TypeVar("T")

# A token that is away is looked for once in this time, in seconds: a library can take long to say so.
_PAUSE = 1.0
_LONGEST_PIN = 256
# The parameters of P-256 (OID 1.2.840.10045.3.1.7, DER), and the octet strings around points of both curves.
_P256 = bytes.fromhex("06082a8648ce3d030107")
_P256_POINT, _P256_BYTES = bytes.fromhex("0441"), 65
_ED25519_POINT, _ED25519_BYTES = bytes.fromhex("0420"), 32


def open_token_key(uri: TokenUri, public: PublicKey | None = None) -> PrivateKey:
    """The key of a URI: ECDSA P-256 or Ed25519.

    Raises KeyUnusable where it is not found. With its public key from elsewhere, the first signature looks again.
    """
    held = _HeldKey(uri, public)
    match held.public:
        case Ed25519PublicKey():
            return _Ed25519Key(held, held.public)
        case public:
            return _P256Key(held, public)


class _Away(KeyUnusable):
    """What the URI means is not there, as far as the library has looked."""


class _Library:
    """The library of a vendor. One thread at a time uses it: it is told of no other.

    Sessions of a token share its login, so that there is one for each token, which stays open.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._path = path
        self._sessions: dict[tuple[str, bytes], pkcs11.Session] = {}
        self._refused_pins: dict[tuple[str, bytes], str] = {}
        self._kept: pkcs11._pkcs11.lib | None = None
        self._next_look = 0.0
        self.generation = 0
        """Counts how often it was begun anew: objects of a former generation are gone."""

    @property
    def rests(self) -> bool:
        """Whether somebody looked in vain a moment ago."""
        return time.monotonic() < self._next_look

    def rest(self) -> None:
        """Lets nobody look for what is away until a while from now on: a look itself can take long."""
        self._next_look = time.monotonic() + _PAUSE

    def session(self, uri: TokenUri) -> pkcs11.Session:
        """The session of the user of a token. Raises KeyUnusable, or PKCS11Error."""
        token = self._token(uri)
        place = (token.label, token.serial)
        known = self._sessions.get(place)
        if known is not None:
            return known
        pin = _pin(uri)
        if self._refused_pins.get(place) == pin:
            # Tokens lock themselves after few wrong attempts.
            raise KeyUnusable(translated("{key}: {path} has a wrong PIN", key=uri, path=uri.pin_source))
        if _locks_soon(token):
            told = translated("{key}: one more wrong PIN locks the token: log in once by its own tool", key=uri)
            raise KeyUnusable(told)
        try:
            opened = token.open(user_pin=pin)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            self._refused_pins[place] = pin
            raise KeyUnusable(translated("{key}: {path} has a wrong PIN", key=uri, path=uri.pin_source)) from None
        self._refused_pins.pop(place, None)
        self._sessions[place] = opened
        return opened

    def begin_anew(self) -> None:
        """Ends all sessions: a library finds a token that was away only then. Raises PKCS11Error."""
        self._sessions.clear()
        self.generation += 1
        library = self._loaded()
        with contextlib.suppress(pkcs11.PKCS11Error):
            library.finalize()
        try:
            library.initialize()
        except pkcs11.PKCS11Error:
            # One that did not end is still initialised. The package has no class for the error that says so.
            with contextlib.suppress(pkcs11.PKCS11Error):
                library.get_slots()
                return
            raise

    def _token(self, uri: TokenUri) -> pkcs11.Token:
        found = [each for each in self._tokens() if _is_meant(each, uri)]
        if not found:
            raise _Away(translated("{key}: {library} shows no such token", key=uri, library=self._path))
        if len(found) > 1:
            raise _Away(translated("{key}: several tokens are called so: name one by serial=…", key=uri))
        return found[0]

    def _tokens(self) -> Iterator[pkcs11.Token]:
        for slot in self._loaded().get_slots(token_present=True):
            # Another token that was pulled, or fails, hides none.
            with contextlib.suppress(pkcs11.PKCS11Error):
                yield slot.get_token()

    def _loaded(self) -> "pkcs11._pkcs11.lib":
        # Kept: the package initialises its own copy before each use, which fails for ever where one did not end.
        if self._kept is None:
            self._kept = pkcs11.lib(str(self._path))
        return self._kept


@cache
def _library(path: Path) -> _Library:
    return _Library(path)


class _HeldKey:
    """A key in its token: found when it is opened, and again where the token was away. Any thread may use it."""

    def __init__(self, uri: TokenUri, public: PublicKey | None) -> None:
        """Raises KeyUnusable where the key is not found, and its public key is not known either."""
        self._uri = uri
        self._library = _library(uri.module)
        self._generation = self._library.generation
        self._key: pkcs11.SignMixin | None = None
        self._missed: tuple[int, str] | None = None
        with self._library.lock:
            try:
                self._generation, self._key, self.public = self._opened()
            except KeyUnusable:
                if public is None:
                    raise
                self.public = public

    def sign(self, data: bytes, mechanism: Mechanism) -> bytes:
        """The signature over some bytes, as the token gives it.

        Raises KeyUnusable; for a key that was missed a moment ago at once, without a call of the library.
        """
        with self._library.lock:
            self._require_look()
            try:
                signature = self._signature(data, mechanism)
            except KeyUnusable as problem:
                self._missed = self._library.generation, str(problem)
                self._library.rest()
                raise
            self._missed = None
            return signature

    def refuse(self, problem: str) -> NoReturn:
        """Raises KeyUnusable with the key's name."""
        raise KeyUnusable(f"{self._uri}: {problem}")

    def _opened(self) -> tuple[int, pkcs11.SignMixin, PublicKey]:
        try:
            return self._named(self._found)
        except _Away:
            self._named(self._library.begin_anew)
            return self._named(self._found)

    def _require_look(self) -> None:
        """Raises KeyUnusable where nobody can have found the key since it was missed."""
        if self._missed is None or not self._library.rests:
            return
        generation, problem = self._missed
        # A library that another key has begun anew since then may show the token again.
        if generation == self._library.generation:
            raise KeyUnusable(problem)

    def _signature(self, data: bytes, mechanism: Mechanism) -> bytes:
        def signature() -> bytes:
            return self._present().sign(data, mechanism=mechanism)

        if not self._library.rests:
            try:
                return signature()
            except (pkcs11.PKCS11Error, _Away):
                self._named(self._library.begin_anew)
                self._library.rest()
        return self._named(signature)

    def _present(self) -> pkcs11.SignMixin:
        """The key, found again where the library was begun anew. Raises KeyUnusable, or PKCS11Error."""
        if self._key is not None and self._generation == self._library.generation:
            return self._key
        generation, key, public = self._found()
        if public != self.public:
            problem = translated("another key has its name now: restart, with the certificate of that key")
            raise _Away(f"{self._uri}: {problem}")
        self._generation, self._key = generation, key
        return key

    def _found(self) -> tuple[int, pkcs11.SignMixin, PublicKey]:
        session = self._library.session(self._uri)
        key = _only(session, self._uri, ObjectClass.PRIVATE_KEY)
        if not isinstance(key, pkcs11.SignMixin):
            self.refuse(translated("the key signs nothing"))
        public = _public_key(key, _only(session, self._uri, ObjectClass.PUBLIC_KEY))
        if public is None:
            self.refuse(translated("the key is neither ECDSA P-256 nor Ed25519"))
        return self._library.generation, key, public

    def _named(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except pkcs11.PinLocked:
            self.refuse(translated("its PIN is locked after wrong attempts: unlock it by the tool of the token"))
        except pkcs11.NoSuchKey:
            self.refuse(translated("the token has no such key with a public key beside it"))
        except pkcs11.MultipleObjectsReturned:
            self.refuse(translated("several keys are called so: name one by id=…"))
        except pkcs11.PKCS11Error as error:
            self.refuse(translated("the token fails: {problem}", problem=f"{type(error).__name__} {error}".rstrip()))


class _Ed25519Key(Ed25519PrivateKey):
    """An Ed25519 key in a token."""

    def __init__(self, held: _HeldKey, public: Ed25519PublicKey) -> None:
        self._held, self._public = held, public

    def public_key(self) -> Ed25519PublicKey:
        """See cryptography."""
        return self._public

    def sign(self, data: Buffer) -> bytes:
        """Raises KeyUnusable."""
        signature = self._held.sign(bytes(data), Mechanism.EDDSA)
        return _verified(self._held, signature, lambda: self._public.verify(signature, data))

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> bytes:  # noqa: A002
        """Raises KeyUnusable: a key never leaves its token."""
        _kept(self._held)

    def private_bytes_raw(self) -> bytes:
        """Raises KeyUnusable: a key never leaves its token."""
        _kept(self._held)

    def __copy__(self) -> "_Ed25519Key":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "_Ed25519Key":
        return self


class _P256Key(ec.EllipticCurvePrivateKey):
    """An ECDSA key on P-256 in a token."""

    def __init__(self, held: _HeldKey, public: ec.EllipticCurvePublicKey) -> None:
        self._held, self._public = held, public

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See cryptography."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """See cryptography."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """See cryptography."""
        return self._public.key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """A signature with SHA-256 (DER). Raises KeyUnusable."""
        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            self._held.refuse(translated("the key signs with SHA-256 alone"))
        hashed = hashes.Hash(hashes.SHA256())
        hashed.update(data)
        # A token hashes not at all by this mechanism, which every one has.
        pair = self._held.sign(hashed.finalize(), Mechanism.ECDSA)
        r, s = (int.from_bytes(each) for each in (pair[: len(pair) // 2], pair[len(pair) // 2 :]))
        signature = encode_dss_signature(r, s)
        return _verified(self._held, signature, lambda: self._public.verify(signature, data, signature_algorithm))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Raises KeyUnusable: the key is there for signatures."""
        _kept(self._held)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Raises KeyUnusable: a key never leaves its token."""
        _kept(self._held)

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> bytes:  # noqa: A002
        """Raises KeyUnusable: a key never leaves its token."""
        _kept(self._held)

    def __copy__(self) -> "_P256Key":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "_P256Key":
        return self


def _kept(held: _HeldKey) -> NoReturn:
    held.refuse(translated("the key never leaves its token"))


def _verified(held: _HeldKey, signature: bytes, verify: Callable[[], None]) -> bytes:
    """The signature, if it is right. A wrong one would be stored and sent, and refused by all who read it."""
    try:
        verify()
    except InvalidSignature:
        held.refuse(translated("the token has made a wrong signature"))
    return signature


def _locks_soon(token: pkcs11.Token) -> bool:
    return bool(token.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY)


def _is_meant(token: pkcs11.Token, uri: TokenUri) -> bool:
    wanted = (uri.token, uri.serial, uri.manufacturer, uri.model)
    found = (token.label, token.serial.decode(errors="replace"), token.manufacturer_id, token.model)
    return all(not each or each == other.strip("\0 ") for each, other in zip(wanted, found, strict=True))


def _only(session: pkcs11.Session, uri: TokenUri, kind: ObjectClass) -> pkcs11.Key:
    """The key of this kind that the URI names. Raises NoSuchKey, or MultipleObjectsReturned."""
    return session.get_key(object_class=kind, label=uri.object or None, id=uri.id or None)


def _public_key(key: pkcs11.Key, public: pkcs11.Key) -> PublicKey | None:
    """The public key beside a private one; None for keys of other kinds."""
    if key.key_type not in (KeyType.EC, KeyType.EC_EDWARDS) or public.key_type != key.key_type:
        return None
    point = bytes(public[Attribute.EC_POINT])
    try:
        if key.key_type == KeyType.EC:
            raw = point.removeprefix(_P256_POINT) if len(point) > _P256_BYTES else point
            is_p256 = bytes(public[Attribute.EC_PARAMS]) == _P256
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw) if is_p256 else None
        return Ed25519PublicKey.from_public_bytes(
            point.removeprefix(_ED25519_POINT) if len(point) > _ED25519_BYTES else point
        )
    except ValueError:
        return None


def _pin(uri: TokenUri) -> str:
    """The PIN of a file: its one line. Raises KeyUnusable, which tells nothing of the content."""
    try:
        content = uri.pin_source.read_bytes().decode()
    except OSError as error:
        told = translated(
            "{key}: {path} cannot be read: {problem}", key=uri, path=uri.pin_source, problem=error.strerror
        )
        raise KeyUnusable(told) from None
    except UnicodeDecodeError:
        content = ""
    pin = content.removesuffix("\n").removesuffix("\r")
    if not 0 < len(pin) <= _LONGEST_PIN or "\n" in pin:
        raise KeyUnusable(translated("{key}: {path} has no PIN, which is one line", key=uri, path=uri.pin_source))
    return pin
