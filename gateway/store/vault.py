"""Personal data at rest: sealed under the key of its subject, which the region's key wraps.

A subject is a unit of erasure: a customer, a number, or the envelopes about one thing. Sealed bytes name their key.
After the destruction of the subject's row nobody can read them, wherever a copy is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.security.region_keys import KEY_BYTES, RegionKeys, SubjectKey
from gateway.store.batched_lookup import rows_among
from gateway.store.port import Destroyed, Transaction
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table

_VERSION = b"\x01"
_NONCE_BYTES = 12  # of AES-GCM (NIST SP 800-38D, 8.2)
_ID_BYTES = 12
_HEAD = len(_VERSION) + _ID_BYTES + _NONCE_BYTES


class KeyDestroyed(Exception):
    """The key of a subject was destroyed: its sealed data is unreadable forever."""


class SealBroken(Exception):
    """Sealed bytes were altered, or moved to another place or subject, or belong to other keys."""


_SELECT = "SELECT subject, key_id, wrapped, wrapped_by FROM data_keys WHERE subject"
_FEW = 8  # subjects or contents that are handled one by one
_ENVELOPES, _FORMERLY = "envelope/", "order/"
"""Data sealed under the second name opens under the first one, and ends with it."""


class _Wrapped(NamedTuple):
    subject: str
    key_id: str
    wrapped: bytes
    wrapped_by: str


KEYS = "data_keys"
"""The table of the subjects' keys: values that were opened by them are known by its name (`Transaction.once`)."""
_DATA_KEYS = Table(KEYS, _Wrapped, key=("subject",))


def seal(tx: Transaction, subject: str, place: str, content: bytes) -> bytes:
    """Seals content under the subject's key, and makes that key if it is missing.

    `place` names the column, for example `customers`, and the row where a subject has several. Sealed bytes open only
    at their own place.
    """
    key = _find(tx, subject)
    if key is None:
        (key,) = _make(tx, [subject])
    return _sealed(_keys(tx), key, subject, place, content)


@dataclass(frozen=True)
class Sealing:
    """Bytes to seal, or sealed bytes, with their subject and place."""

    subject: str
    place: str
    content: bytes = field(repr=False)


def seal_many(tx: Transaction, contents: Sequence[Sealing]) -> list[bytes]:
    """`seal` for each of many contents, in few statements."""
    if len(contents) < _FEW:
        return [seal(tx, each.subject, each.place, each.content) for each in contents]
    keys, subjects = _keys(tx), dict.fromkeys(each.subject for each in contents)
    _find_all(tx, list(subjects))
    known = tx.subject_keys
    _make(tx, [each for each in subjects if known[each] is None])
    sealed = []
    for each in contents:
        key = known[each.subject]
        assert key is not None, "each has been found or made"
        sealed.append(_sealed(keys, key, each.subject, each.place, each.content))
    return sealed


def open_sealed(tx: Transaction, subject: str, place: str, sealed: bytes) -> bytes:
    """Opens the result of `seal` for the same subject and place.

    Raises KeyDestroyed where its key is gone, and SealBroken for changed bytes.
    """
    if len(sealed) < _HEAD or not sealed.startswith(_VERSION):
        raise SealBroken(f"what is stored in {place} is not sealed")
    key_id = sealed[len(_VERSION) : len(_VERSION) + _ID_BYTES].hex()
    key = _find(tx, subject)
    if (key is None or key.id != key_id) and subject.startswith(_ENVELOPES):
        subject = _FORMERLY + subject.removeprefix(_ENVELOPES)
        key = _find(tx, subject)
    if key is None or key.id != key_id:
        raise KeyDestroyed(f"the key {key_id} is gone")
    nonce = sealed[len(_VERSION) + _ID_BYTES : _HEAD]
    try:
        return key.cipher.decrypt(nonce, sealed[_HEAD:], _bound(subject, place))
    except InvalidTag:
        raise SealBroken(f"what is stored in {place} was altered, or belongs elsewhere") from None


def open_if_kept(tx: Transaction, subject: str, place: str, sealed: bytes) -> bytes | None:
    """As `open_sealed`, and None where the key was destroyed."""
    try:
        return open_sealed(tx, subject, place, sealed)
    except KeyDestroyed:
        return None


def open_many(tx: Transaction, contents: Sequence[Sealing]) -> list[bytes | None]:
    """`open_if_kept` for each of many sealed contents, in few statements."""
    if len(contents) >= _FEW:
        _find_all(tx, list(dict.fromkeys(each.subject for each in contents)))
    return [open_if_kept(tx, each.subject, each.place, each.content) for each in contents]


def index_of(tx: Transaction, kind: str, value: str) -> str:
    """The search key of a value that is not stored: HMAC-SHA-256 in hexadecimal, under the region's index key.

    `kind` keeps equal values of different kinds apart, for example `number` and `identity document`.
    """
    keyed = _keys(tx).set.index.keyed_hash.copy()
    keyed.update(f"{kind}\0{value}".encode())
    return keyed.hexdigest()


def key_wanted(subject: str) -> Wanted:
    """The query for the key of a subject, to be announced."""
    return row_wanted(_DATA_KEYS, subject)


def key_ids_of(tx: Transaction, subjects: Sequence[str]) -> list[str]:
    """The ids of the existing keys of subjects."""
    names = _names(subjects)
    found = (tx.find(_DATA_KEYS, each) for each in names)
    return [key.key_id for key in found if key is not None]


def destroy(tx: Transaction, subjects: Sequence[str]) -> list[str]:
    """Destroys the keys of subjects; returns the ids of the destroyed ones."""
    tx.subject_keys.clear()
    destroyed = key_ids_of(tx, subjects)
    if destroyed:
        ended = [{"subject": each} for each in _names(subjects)]
        tx.execute_many("DELETE FROM data_keys WHERE subject = :subject", ended)
        tx.publish(Destroyed())
    return destroyed


def destroy_by_id(tx: Transaction, key_ids: Sequence[str]) -> int:
    """Destroys keys that were destroyed before and have come back, as with an older backup; returns how many."""
    tx.subject_keys.clear()
    destroyed = tx.execute_many("DELETE FROM data_keys WHERE key_id = :key_id", [{"key_id": each} for each in key_ids])
    if destroyed:
        tx.publish(Destroyed())
    return destroyed


def rewrap_page(tx: Transaction, limit: int) -> int:
    """Wraps at most `limit` keys anew by the region's key in use; returns the number of keys.

    Raises SealBroken for a key whose wrapping key the region no longer has.
    """
    keys = _keys(tx)
    found = tx.all(
        _Wrapped,
        "SELECT subject, key_id, wrapped, wrapped_by FROM data_keys WHERE wrapped_by <> :in_use"
        " ORDER BY wrapped_by, subject LIMIT :limit",
        in_use=keys.set.in_use.id,
        limit=limit,
    )
    # All keys are unwrapped before the first write: a broken one leaves the page unchanged.
    wrapped = [_wrap(keys, each.subject, each.key_id, _unwrap(keys, each)) for each in found]
    tx.execute_many(
        "UPDATE data_keys SET wrapped = :wrapped, wrapped_by = :wrapped_by WHERE subject = :subject",
        [
            {"subject": each.subject, "wrapped": anew, "wrapped_by": keys.set.in_use.id}
            for each, anew in zip(found, wrapped, strict=True)
        ],
    )
    return len(found)


def wrapped_by(tx: Transaction, key_id: str) -> int:
    """How many keys one of the region's keys wraps."""
    return tx.first(int, "SELECT COUNT(*) FROM data_keys WHERE wrapped_by = :id", id=key_id) or 0


def count_wrapped(tx: Transaction) -> dict[str, int]:
    """How many keys each of the region's keys wraps, by its id; none where it wraps nothing."""
    return dict(tx.all(_count, "SELECT wrapped_by, COUNT(*) FROM data_keys GROUP BY wrapped_by"))


def _names(subjects: Sequence[str]) -> list[str]:
    """The subjects, each once, with their former names."""
    former = (_FORMERLY + each.removeprefix(_ENVELOPES) for each in subjects if each.startswith(_ENVELOPES))
    return list(dict.fromkeys([*subjects, *former]))


def _count(key_id: str, keys: int) -> tuple[str, int]:
    return key_id, keys


def _keys(tx: Transaction) -> RegionKeys:
    if tx.keys is None:
        raise ValueError("this store was opened without the region's keys")
    return tx.keys


def _find(tx: Transaction, subject: str) -> SubjectKey | None:
    """The subject's key, read once per commit."""
    known = tx.subject_keys
    if subject not in known:
        found = tx.find(_DATA_KEYS, subject)
        known[subject] = None if found is None else _unwrapped(_keys(tx), found)
    return known[subject]


def _find_all(tx: Transaction, subjects: Sequence[str]) -> None:
    known, keys = tx.subject_keys, _keys(tx)
    missing = [each for each in subjects if each not in known]
    if len(missing) < _FEW:
        for each in missing:
            _find(tx, each)
        return
    known.update(dict.fromkeys(missing))
    known.update((found.subject, _unwrapped(keys, found)) for found in rows_among(tx, _Wrapped, _SELECT, missing))


def _make(tx: Transaction, subjects: Sequence[str]) -> list[SubjectKey]:
    """New keys of subjects that have none."""
    keys, made = _keys(tx), list[SubjectKey]()
    for subject in subjects:
        key_id, secret = keys.draw(_ID_BYTES).hex(), keys.draw(KEY_BYTES)
        made.append(SubjectKey(key_id, AESGCM(secret)))
        wrapped = _wrap(keys, subject, key_id, secret)
        tx.insert(_DATA_KEYS, _Wrapped(subject, key_id, wrapped, keys.set.in_use.id))
    tx.subject_keys.update(zip(subjects, made, strict=True))
    return made


def _sealed(keys: RegionKeys, key: SubjectKey, subject: str, place: str, content: bytes) -> bytes:
    nonce = keys.draw(_NONCE_BYTES)
    return _VERSION + bytes.fromhex(key.id) + nonce + key.cipher.encrypt(nonce, content, _bound(subject, place))


def _wrap(keys: RegionKeys, subject: str, key_id: str, secret: bytes) -> bytes:
    nonce = keys.draw(_NONCE_BYTES)
    return nonce + keys.set.in_use.cipher.encrypt(nonce, secret, _bound(subject, key_id))


def _unwrapped(keys: RegionKeys, found: _Wrapped) -> SubjectKey:
    return SubjectKey(found.key_id, AESGCM(_unwrap(keys, found)))


def _unwrap(keys: RegionKeys, found: _Wrapped) -> bytes:
    wrapping = keys.wrapping_key(found.wrapped_by)
    if wrapping is None:
        raise SealBroken(f"the region's key {found.wrapped_by} is not in the file of keys")
    nonce, wrapped = found.wrapped[:_NONCE_BYTES], found.wrapped[_NONCE_BYTES:]
    try:
        return wrapping.cipher.decrypt(nonce, wrapped, _bound(found.subject, found.key_id))
    except InvalidTag:
        raise SealBroken(f"the key of a subject was altered, or {found.wrapped_by} is another key") from None


def _bound(subject: str, place: str) -> bytes:
    return f"{subject}\0{place}".encode()
