"""The keys of a region for stored data: they wrap the key of every subject, and have their own file.

The file has a line for each key: `index <id> <base64>` once, and `wrapping <id> <base64>` at least once. The first
wrapping key is in use; the later ones only decrypt. A thief of the database without this file can read no personal
data.

Each wrapping key derives a sealing key for batches from other regions. Both rotate together, so each process that can
read the database can open incoming batches.
"""

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.process.files import FileUnusable, replace_file
from gateway.security.sealing import PrivateKey

REGION_KEYS = "region.keys"  # the usual name of the file
KEY_BYTES = 32  # of AES-256 and of HMAC-SHA-256
_ID_BYTES = 4
_SEALING = b"crossregion.sealing-key.v1"
_HEADING = (
    "# The keys of this region's personal data. Keep this file as you keep a private key, and apart from backups.\n"
)


class RegionKeysUnusable(FileUnusable):
    """The file of keys cannot be used; the text has the file, the reason and the remedy."""


@dataclass(frozen=True)
class RegionKey:
    """A key: its id (for people and columns, no secret) and its 32 bytes."""

    id: str
    secret: bytes

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-GCM under this wrapping key."""
        return AESGCM(self.secret)

    @cached_property
    def keyed_hash(self) -> hmac.HMAC:
        """HMAC-SHA-256 under this key, of no message yet: a copy of it takes less time than a new one."""
        return hmac.new(self.secret, digestmod="sha256")

    @cached_property
    def sealing(self) -> PrivateKey:
        """The derived key for batches from other regions. It reveals nothing of the wrapping key."""
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_SEALING).derive(self.secret)
        return PrivateKey(derived)

    def __repr__(self) -> str:
        """Never shows the secret."""
        return f"RegionKey({self.id})"

    @classmethod
    def new(cls, draw: Callable[[int], bytes]) -> "RegionKey":
        """A key from a source of random bytes."""
        return cls(draw(_ID_BYTES).hex(), draw(KEY_BYTES))


@dataclass(frozen=True)
class SubjectKey:
    """The unwrapped key of a subject, kept no longer than its transaction."""

    id: str
    cipher: AESGCM = field(repr=False)


@dataclass(frozen=True)
class KeySet:
    """All keys of a region at one time."""

    index: RegionKey
    """The HMAC-SHA-256 key that makes numbers and documents searchable without storing them. It never changes."""
    wrapping: Sequence[RegionKey]
    """The wrapping key in use, then the former ones."""

    @classmethod
    def new(cls, draw: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        """The keys of a new region."""
        return cls(RegionKey.new(draw), (RegionKey.new(draw),))

    @property
    def in_use(self) -> RegionKey:
        """The key that wraps new keys."""
        return self.wrapping[0]

    @cached_property
    def by_id(self) -> Mapping[str, RegionKey]:
        """The keys that wrap, or have wrapped, by id."""
        return {key.id: key for key in self.wrapping}

    @cached_property
    def sealing_by_id(self) -> Mapping[bytes, PrivateKey]:
        """The keys that open batches from other regions, by id."""
        return {key.sealing.id: key.sealing for key in self.wrapping}

    def rotated(self, draw: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        """The set with a new key in use, before all existing keys."""
        return KeySet(self.index, (RegionKey.new(draw), *self.wrapping))

    def without(self, key_ids: Collection[str]) -> "KeySet":
        """The set without the keys of these ids; the one in use always stays."""
        kept = [key for key in self.wrapping if key.id not in key_ids or key is self.in_use]
        return KeySet(self.index, tuple(kept))

    def written(self) -> bytes:
        """The content of the file."""
        lines = [("index", self.index), *(("wrapping", key) for key in self.wrapping)]
        told = "".join(f"{kind} {key.id} {base64.b64encode(key.secret).decode()}\n" for kind, key in lines)
        return f"{_HEADING}{told}".encode()

    def save(self, path: Path) -> None:
        """Puts the file in place, readable by its owner alone. Raises OSError."""
        replace_file(path, self.written())

    @classmethod
    def load(cls, path: Path) -> "KeySet":
        """The keys of a file. Raises RegionKeysUnusable."""
        try:
            content = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is no text"
            raise RegionKeysUnusable(
                f"{path} cannot be read: {told}; `region-node keys create {path}` makes the keys of a new region"
            ) from None
        try:
            return cls.read(content)
        except ValueError as error:
            raise RegionKeysUnusable(f"{path} holds no keys of a region: {error}") from None

    @classmethod
    def read(cls, content: str) -> "KeySet":
        """Parses the keys in a file's content. Raises ValueError, whose text holds no secret."""
        found: dict[str, list[RegionKey]] = {"index": [], "wrapping": []}
        for number, line in enumerate(content.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, _, rest = line.partition(" ")
            key_id, _, secret = rest.partition(" ")
            if kind not in found or not key_id:
                raise ValueError(f"line {number} is neither `index` nor `wrapping` with an id and a key")
            found[kind].append(RegionKey(key_id, _secret(secret, number)))
        if len(found["index"]) != 1 or not found["wrapping"]:
            raise ValueError("it must have one line `index` and at least one line `wrapping`")
        if len({key.id for key in found["wrapping"]}) != len(found["wrapping"]):
            raise ValueError("two keys have the same id")
        return cls(found["index"][0], tuple(found["wrapping"]))


class RegionKeys:
    """The keys in use by a process. A new file of the same region may replace them while the process serves."""

    def __init__(
        self, keys: KeySet, draw: Callable[[int], bytes] = os.urandom, look: Callable[[], object] | None = None
    ) -> None:
        self.set = keys
        self.draw = draw
        """The source of randomness for new keys and nonces."""
        self.look = look
        """Checks immediately whether the file has changed: another process may have seen its new key before this one.
        """

    def wrapping_key(self, key_id: str) -> RegionKey | None:
        """The key with an id that wraps, or has wrapped; None where the region does not have it."""
        found = self.set.by_id.get(key_id)
        if found is None and self.look is not None:
            self.look()
            found = self.set.by_id.get(key_id)
        return found

    def sealing_key(self, key_id: bytes) -> PrivateKey | None:
        """The sealing key with an id, current or former; None where the region does not have it."""
        found = self.set.sealing_by_id.get(key_id)
        if found is None and self.look is not None:
            self.look()
            found = self.set.sealing_by_id.get(key_id)
        return found

    def expire_sessions(self, now: float) -> None:
        """Forgets the sessions that are over, on the sealing key in use and on former ones; `now` as in `Sessions`."""
        for key in self.set.sealing_by_id.values():
            key.sessions.expire(now)

    def replace(self, keys: KeySet) -> None:
        """Takes over the keys of a changed file. Raises RegionKeysUnusable for the keys of another region."""
        if keys.index != self.set.index:
            raise RegionKeysUnusable("the index key is another one: nothing that is stored would be found by it")
        self.set = keys


def _secret(encoded: str, number: int) -> bytes:
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"the key in line {number} is not {KEY_BYTES} bytes in base64")
    return secret
