"""Personal data at rest: sealed under the key of its subject, which the region's key wraps.

A subject is a unit of erasure: a customer, a number, or the envelopes about one thing. Sealed bytes name their key.
After the destruction of the subject's row nobody can read them, wherever a copy is.

A subject needs no stored key of its own where its key derives from the key of another subject, its root. Sealed bytes
then name the root, and end with it.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from gateway.security.region_keys import KEY_BYTES, RegionKeys, SubjectKey
from gateway.store.batched_lookup import rows_among
from gateway.store.port import Destroyed, Transaction
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table

_OWN, _DERIVED = b"\x01", b"\x02"  # the forms of sealed bytes: under the subject's stored key, or a root's
_NONCE_BYTES = 12  # of AES-GCM (NIST SP 800-38D, 8.2)
_ID_BYTES = 12
_NAMED = len(_OWN) + _ID_BYTES
_HEAD = _NAMED + _NONCE_BYTES


class KeyDestroyed(Exception):
    """The key of a subject was destroyed: its sealed data is unreadable forever."""


class SealBroken(Exception):
    """Sealed bytes were altered, or moved to another place or subject, or belong to other keys."""


_SELECT = "SELECT subject, key_id, wrapped, wrapped_by FROM data_keys WHERE"
_FEW = 8  # fewer keys are looked for one by one
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


def seal(tx: Transaction, subject: str, place: str, content: bytes, *, root: str = "", beside: bytes = b"") -> bytes:
    """Seals content under the subject's key, and makes that key if it is missing.

    `place` names the column, for example `customers`, and the row where a subject has several. Sealed bytes open only
    at their own place. With a `root`, another subject, the key derives from the root's stored key. `beside` is what
    the subject has sealed before: where its key derives from a root that still exists, so does this one's.
    """
    above = _root_named(tx, beside) if beside and is_derived(beside) else None
    if above is None and root:
        above = _find(tx, root) or _make(tx, root)
    key = _derived(tx, above, subject) if above is not None else _find(tx, subject) or _make(tx, subject)
    nonce = _keys(tx).draw(_NONCE_BYTES)
    return key.head + nonce + key.cipher.encrypt(nonce, content, _bound(subject, place))


def seal_apart(tx: Transaction, subject: str, place: str, sealed: bytes) -> bytes:
    """Seals under the subject's own key what was sealed under a root's, so that the end of the root leaves it readable.

    Returns other bytes, and what nobody can open any more, unchanged.
    """
    content = open_if_kept(tx, subject, place, sealed) if is_derived(sealed) else None
    return sealed if content is None else seal(tx, subject, place, content)


def is_derived(sealed: bytes) -> bool:
    """Whether bytes are sealed under a key that derives from a root's."""
    return sealed.startswith(_DERIVED)


@dataclass(frozen=True)
class Sealing:
    """Bytes to seal, or sealed bytes, with their subject and place."""

    subject: str
    place: str
    content: bytes = field(repr=False)


def seal_many(tx: Transaction, contents: Sequence[Sealing]) -> list[bytes]:
    """`seal` for each of many contents, in few statements."""
    if len(contents) >= _FEW:
        _find_all(tx, list(dict.fromkeys(each.subject for each in contents)))
    return [seal(tx, each.subject, each.place, each.content) for each in contents]


def open_sealed(tx: Transaction, subject: str, place: str, sealed: bytes) -> bytes:
    """Opens the result of `seal` for the same subject and place.

    Raises KeyDestroyed where its key is gone, and SealBroken for changed bytes.
    """
    if len(sealed) < _HEAD or not sealed.startswith((_OWN, _DERIVED)):
        raise SealBroken(f"what is stored in {place} is not sealed")
    named = sealed[:_NAMED]
    if is_derived(sealed):
        root = _root_named(tx, sealed)
        key = None if root is None else _derived(tx, root, subject)
    else:
        key = _find(tx, subject)
        if (key is None or key.head != named) and subject.startswith(_ENVELOPES):
            subject = _FORMERLY + subject.removeprefix(_ENVELOPES)
            key = _find(tx, subject)
    if key is None or key.head != named:
        raise KeyDestroyed(f"the key {named[len(_OWN) :].hex()} is gone")
    try:
        return key.cipher.decrypt(sealed[_NAMED:_HEAD], sealed[_HEAD:], _bound(subject, place))
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
        _find_all(tx, list(dict.fromkeys(each.subject for each in contents if not is_derived(each.content))))
        _find_named(tx, list(dict.fromkeys(_id_in(each.content) for each in contents if is_derived(each.content))))
    return [open_if_kept(tx, each.subject, each.place, each.content) for each in contents]


def index_of(tx: Transaction, kind: str, value: str) -> str:
    """The search key of a value that is not stored: HMAC-SHA-256 in hexadecimal, under the region's index key.

    `kind` keeps equal values of different kinds apart, for example `number` and `identity document`.
    """
    return hmac.digest(_keys(tx).set.index.secret, f"{kind}\0{value}".encode(), "sha256").hex()


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
    _forget(tx)
    destroyed = key_ids_of(tx, subjects)
    if destroyed:
        ended = [{"subject": each} for each in _names(subjects)]
        tx.execute_many("DELETE FROM data_keys WHERE subject = :subject", ended)
        tx.publish(Destroyed())
    return destroyed


def destroy_by_id(tx: Transaction, key_ids: Sequence[str]) -> int:
    """Destroys keys that were destroyed before and have come back, as with an older backup; returns how many."""
    _forget(tx)
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
        " ORDER BY wrapped_by, key_id LIMIT :limit",
        in_use=keys.set.in_use.id,
        limit=limit,
    )
    # All keys are unwrapped before the first write: a broken one leaves the page unchanged.
    wrapped = [_wrap(keys, each.subject, each.key_id, _unwrap(keys, each), keys.draw(_NONCE_BYTES)) for each in found]
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


def _forget(tx: Transaction) -> None:
    tx.subject_keys.clear()
    if tx.keys is not None:
        tx.keys.forget_unwrapped()


def _find(tx: Transaction, subject: str) -> SubjectKey | None:
    """The subject's stored key, read once per commit."""
    known = tx.subject_keys
    if subject not in known:
        found = tx.find(_DATA_KEYS, subject)
        if found is None:
            known[subject] = None
        else:
            _know(tx, found)
    return known[subject]


def _find_all(tx: Transaction, subjects: Sequence[str]) -> None:
    known = tx.subject_keys
    missing = [each for each in subjects if each not in known]
    known.update(dict.fromkeys(missing))
    for found in rows_among(tx, _Wrapped, f"{_SELECT} subject", missing):
        _know(tx, found)


def _id_in(sealed: bytes) -> str:
    return sealed[len(_DERIVED) : _NAMED].hex()


def _root_named(tx: Transaction, sealed: bytes) -> SubjectKey | None:
    """The stored key that sealed bytes name, read once per commit."""
    known, key_id = tx.subject_keys, _id_in(sealed)
    if key_id not in known:
        known[key_id] = None
        for found in tx.find_all(_DATA_KEYS, key_id=key_id):
            _know(tx, found)
    return known[key_id]


def _find_named(tx: Transaction, key_ids: Sequence[str]) -> None:
    known = tx.subject_keys
    missing = [each for each in key_ids if each not in known]
    known.update(dict.fromkeys(missing))
    for found in rows_among(tx, _Wrapped, f"{_SELECT} key_id", missing):
        _know(tx, found)


def _derived(tx: Transaction, root: SubjectKey, subject: str) -> SubjectKey:
    """The subject's key under a root, derived once per commit."""
    known, name = tx.subject_keys, f"{root.id} {subject}"
    key = known.get(name)
    if key is None:
        key = known[name] = root.derived(_DERIVED + root.head[len(_OWN) :], subject)
    return key


def _make(tx: Transaction, subject: str) -> SubjectKey:
    """The new key of a subject that has none."""
    keys = _keys(tx)
    drawn = keys.draw(_ID_BYTES + KEY_BYTES + _NONCE_BYTES)
    key_id, secret, nonce = drawn[:_ID_BYTES], drawn[_ID_BYTES:-_NONCE_BYTES], drawn[-_NONCE_BYTES:]
    key = tx.subject_keys[subject] = tx.subject_keys[key_id.hex()] = SubjectKey(_OWN + key_id, secret)
    wrapped = _wrap(keys, subject, key.id, secret, nonce)
    tx.insert(_DATA_KEYS, _Wrapped(subject, key.id, wrapped, keys.set.in_use.id))
    return key


def _wrap(keys: RegionKeys, subject: str, key_id: str, secret: bytes, nonce: bytes) -> bytes:
    return nonce + keys.set.in_use.cipher.encrypt(nonce, secret, _bound(subject, key_id))


def _know(tx: Transaction, found: _Wrapped) -> None:
    """Unwraps the key of a row for this commit, to be found by its subject and by its id."""
    keys, row = _keys(tx), (found.subject, found.key_id, found.wrapped, found.wrapped_by)
    key = keys.unwrapped(row, lambda: SubjectKey(_OWN + bytes.fromhex(found.key_id), _unwrap(keys, found)))
    tx.subject_keys[found.subject] = tx.subject_keys[found.key_id] = key


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
