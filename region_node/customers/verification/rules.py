"""Codes and passwords, and the attestation of their check. Pure."""

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.api.federation.v1.configuration_pb2 import ProofWay
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, listed
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp

OTP = "OTP"
OTP_CONTACT = "OTP_CONTACT"
PWD = "PWD"  # noqa: S105 - a material of the catalogue
_WAYS = {
    OTP: ProofWay.PROOF_WAY_CODE_TO_LINE,
    OTP_CONTACT: ProofWay.PROOF_WAY_CODE_TO_CONTACT,
    PWD: ProofWay.PROOF_WAY_PASSWORD,
}
CHECKED_AT_HOME = frozenset(_WAYS)
"""The materials that only the home region can attest: it has sent the code, and knows the password."""
OF_THE_CUSTOMER = frozenset({OTP, PWD})
"""Those by which a customer acts alone, whatever the matter: another contact may be a contact person's."""
VERIFIER = "home"
KEY_BYTES = 32
SALT_BYTES = 16
PASSWORD_COST = 2**14
"""The cost of scrypt for a password, 16 MiB of memory: the value for logins (RFC 7914, 2)."""
_CODE_DIGITS = 6
CODES = 10**_CODE_DIGITS
"""The number of possible codes."""
_PASSWORD = re.compile(r"\d{6}", re.ASCII)
_SCRYPT_BLOCKS = 8
_HASH_BYTES = 32


@dataclass(frozen=True)
class HashedPassword:
    """A password as stored: salted, by scrypt of a cost."""

    salt: bytes
    cost: int
    hash: bytes

    def equals(self, other: "HashedPassword") -> bool:
        """Whether both are hashes of the same password, with the same salt and cost; in constant time."""
        return (self.salt, self.cost) == (other.salt, other.cost) and hmac.compare_digest(self.hash, other.hash)


def written_code(drawn: int) -> str:
    """A code of six digits from an unpredictable number below `CODES`."""
    return f"{drawn:0{_CODE_DIGITS}d}"


def require_strong(password: str) -> None:
    """Raises Refused with PASSWORD_WEAK unless it is six digits, not all equal and not in sequence up or down."""
    if _PASSWORD.fullmatch(password):
        steps = {(int(after) - int(before)) % 10 for before, after in pairwise(password)}
        if steps not in ({0}, {1}, {9}):
            return
    raise Refused(Reason.REASON_PASSWORD_WEAK)


def hash_password(password: str, salt: bytes, cost: int) -> HashedPassword:
    """The password as stored. Takes tens of milliseconds at the usual cost: never on an event loop."""
    found = hashlib.scrypt(password.encode(), salt=salt, n=cost, r=_SCRYPT_BLOCKS, p=1, dklen=_HASH_BYTES)
    return HashedPassword(salt, cost, found)


def hash_code(key: bytes, subject: str, number: str, code: str, contact: str = "") -> bytes:
    """A code as stored: bound to the request, the number, and the hash of the contact that got it; empty for the line.

    A process that knows no other contacts finds a code to one wrong, and attests it for no line.
    """
    return _keyed(key, "code", subject, number, code, *([contact] if contact else []))


def hash_contact(key: bytes, number: str, mask: str) -> str:
    """The mask of another contact as stored beside a code, in hexadecimal."""
    return _keyed(key, "contact", number, mask).hex()


def is_equal(one: bytes, other: bytes) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(one, other)


def attest(key: bytes, subject: str, number: str, code: str, verify_time: datetime) -> Document:
    """An unforgeable document that attests a verified material for this request and number."""
    signed = _keyed(key, "attestation", subject, number, code, str(to_microseconds(verify_time)))
    return Document(code=code, verifier=VERIFIER, verify_time=to_timestamp(verify_time), keyed_hash=signed)


def require_verified(key: bytes | None, subject: str, number: str, documents: Sequence[Document]) -> None:
    """Raises Refused with NOT_VERIFIED for a code or password that this region has not checked for this very request.

    `key` is None before any check. Documents of other kinds rest on the person who has seen them.
    """
    unverified = {each.code for each in documents if not _is_verified(key, subject, number, each)}
    if unverified:
        raise Refused(Reason.REASON_NOT_VERIFIED, **listed(documents=sorted(unverified)))


@dataclass(frozen=True)
class Shown:
    """The documents that a request shows for a number of this region, in E.164."""

    subject: str
    """The request's subject between regions, for which a code or password is attested; empty where none is shown."""
    number: str = field(repr=False)
    documents: Sequence[Document] = field(default=(), repr=False)

    @property
    def is_proven(self) -> bool:
        """Whether a code or password is shown; true or not, until `require_verified` has passed."""
        return is_proven(self.documents)


def is_proven(documents: Sequence[Document]) -> bool:
    """Whether a code or password is among documents that `require_verified` has passed."""
    return any(each.code in OF_THE_CUSTOMER for each in documents)


def proves(documents: Sequence[Document], ways: Collection[ProofWay.ValueType]) -> bool:
    """Whether one of the ways is among documents that `require_verified` has passed."""
    return any(_WAYS.get(each.code) in ways for each in documents)


def require_way(documents: Sequence[Document], ways: Collection[ProofWay.ValueType]) -> None:
    """Raises Refused with PROOF_WAY_NOT_TAKEN for codes and passwords of which none is one of the ways."""
    shown = [each.code for each in documents if each.code in CHECKED_AT_HOME]
    if shown and not proves(documents, ways):
        raise way_not_taken(shown, ways)


def way_not_taken(proofs: Sequence[str], ways: Collection[ProofWay.ValueType]) -> Refused:
    """The refusal of proofs, with the ways of the policy."""
    named = [ProofWay.Name(each).removeprefix("PROOF_WAY_") for each in sorted(ways)]
    return Refused(Reason.REASON_PROOF_WAY_NOT_TAKEN, **listed(proof=proofs, ways=named))


def is_customers_word(documents: Sequence[Document]) -> bool:
    """Whether documents have a code to the line or a password, and rest on nobody of staff: others are on file."""
    return is_proven(documents) and all(each.code in CHECKED_AT_HOME or bool(each.document_id) for each in documents)


def failures_that_count(failures: Sequence[datetime], now: datetime, window: timedelta) -> list[datetime]:
    """The failures within the window."""
    return [each for each in failures if now - each < window]


def _is_verified(key: bytes | None, subject: str, number: str, document: Document) -> bool:
    if document.code not in CHECKED_AT_HOME:
        return True
    if key is None:
        return False
    try:
        own = attest(key, subject, number, document.code, from_timestamp(document.verify_time))
    except OverflowError:  # a time that no calendar has
        return False
    return document.verifier == VERIFIER and hmac.compare_digest(own.keyed_hash, document.keyed_hash)


def _keyed(key: bytes, *fields: str) -> bytes:
    """HMAC-SHA-256 over fields, each after its length, so that no two lists of fields have the same bytes."""
    told = [each.encode() for each in fields]
    return hmac.digest(key, b"".join(len(each).to_bytes(4, "big") + each for each in told), "sha256")
