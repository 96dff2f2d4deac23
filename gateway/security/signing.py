"""Signatures of regions: Ed25519 (RFC 8032) over a domain, a zero byte and the transported bytes.

The domain keeps a signature of one purpose from serving another. Signed bytes are never serialised again.

One signature can serve several contents: it is over the root of their hash tree, and each content has a proof. The
proof is the signature (64 bytes), a salt (16), the size of the tree and the place in it (2 each, big-endian), and the
path to the root (32 bytes for each hash).
"""

import logging
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Interrupted, Unfit, invalid, problem_text
from gateway.process.files import create_file
from gateway.security.alternative_names import uris_of
from gateway.security.hash_trees import SALT_BYTES, leaf, root_of, tree
from gateway.security.identity import Identity
from gateway.security.peers import has_issued, require_signing, signs_certificates
from gateway.security.private_keys import KeyUnusable, PublicKey, open_key, private_pem
from gateway.security.revocations import Revocations
from gateway.wording.languages import translated

_log = logging.getLogger(__name__)

ENVELOPE = b"crossregion.envelope.v1"
RECEIPT = b"crossregion.receipt.v1"
AUDIT_HEAD = b"crossregion.audit-head.v1"
SEALING_KEY = b"crossregion.sealing-key.v1"
NUMBER_ASSIGNMENT = b"crossregion.number-assignment.v1"
WITNESSED_HEAD = b"crossregion.witnessed-head.v1"
REVISION = b"crossregion.revision.v1"
RENEWAL = b"crossregion.renewal.v1"
SUSPENSION = b"crossregion.suspension.v1"
ADMINISTRATOR_ACT = b"crossregion.administrator-act.v1"
ISSUE_OWNERSHIP = b"crossregion.issue-ownership.v1"
COORDINATOR_HEAD = b"crossregion.coordinator-head.v1"
# The domain of a tree's root, by the domain of its contents.
_TREE_DOMAINS = {ENVELOPE: b"crossregion.envelope-tree.v1", RECEIPT: b"crossregion.receipt-tree.v1"}

_SIGNATURE_BYTES = 64
_PLACE = struct.Struct(f">{SALT_BYTES}sHH")  # behind the signature: salt, size of the tree, index in it
_PATH_BEGINS = _SIGNATURE_BYTES + _PLACE.size
# Statements that a region repeats with each heartbeat.
_REPEATED = frozenset((AUDIT_HEAD, SEALING_KEY))
# The right signatures that are remembered for each key: roots, since contents of one commit arrive in few batches, and
# the repeated statements, two for each process of a region. A forgotten one is verified again.
_REMEMBERED = 128

# The key in use and the previous one: signatures from just before a rotation are still in transit.
_KEYS_PER_REGION = 2


class Signer:
    """Signs in the name of one region, or of one administrator."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key

    @classmethod
    def create(cls, path: Path) -> Self:
        """A signer with a new key, in a new PEM file that its owner alone may read. Raises OSError; never replaces."""
        key = Ed25519PrivateKey.generate()
        create_file(path, private_pem(key))
        return cls(key)

    @classmethod
    def load(cls, path: Path, public: PublicKey | None = None) -> Self:
        """A signer with the key that a file has or names. Raises OSError, or KeyUnusable if that is no Ed25519 key.

        With its public key from elsewhere, such as a certificate, a key in a token may be away.
        """
        key = open_key(path, public)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable(translated("{path}: is no Ed25519 key", path=path))
        return cls(key)

    @property
    def public_key(self) -> bytes:
        """The public key that verifies its signatures, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, domain: bytes, content: bytes) -> bytes:
        """The signature (64 bytes) over content (any bytes, as transported) for one purpose.

        Raises KeyUnusable where the key is in a token that is away.
        """
        return self._signature(signed_bytes(domain, content))

    def sign_http(self, base: str) -> bytes:
        """The signature (64 bytes) over the signature base of an HTTP message (RFC 9421, 2.5).

        A base begins with a quotation mark and no domain does: it cannot pass for a content of another purpose. Raises
        ValueError for another text, and KeyUnusable as `sign`.
        """
        if not base.startswith('"'):
            raise ValueError("the signature base of an HTTP message begins with a component")
        return self._signature(base.encode("ascii"))

    def has_signed(self, domain: bytes, content: bytes, signature: bytes) -> bool:
        """Whether a signature by `sign` is its own."""
        try:
            self._key.public_key().verify(signature, signed_bytes(domain, content))
        except InvalidSignature:
            return False
        return True

    def sign_all(self, domain: bytes, contents: Sequence[bytes], draw: Callable[[int], bytes]) -> list[bytes]:
        """One signature for all contents (any bytes, as transported): for each its proof, in their order.

        `draw` gives random bytes. A content without others gets a signature as by `sign`. Raises ValueError for more
        than 65,535 contents, and for several of another domain than ENVELOPE and RECEIPT. Raises KeyUnusable as `sign`.
        """
        if len(contents) < 2:
            return [self.sign(domain, content) for content in contents]
        if domain not in _TREE_DOMAINS:
            raise ValueError(f"contents of {domain.decode()} are signed one by one")
        drawn = draw(SALT_BYTES * len(contents))
        salts = [drawn[start : start + SALT_BYTES] for start in range(0, len(drawn), SALT_BYTES)]
        root, paths = tree([leaf(salt, content) for salt, content in zip(salts, contents, strict=True)])
        signature = self._signature(_signed_root(domain, len(contents), root))
        return [
            signature + _PLACE.pack(salt, len(contents), index) + path
            for index, (salt, path) in enumerate(zip(salts, paths, strict=True))
        ]

    def _signature(self, signed: bytes) -> bytes:
        return self._key.sign(signed)


class ServingSigner(Signer):
    """Signs for a process that serves: where its key is away, what needs a signature is refused, and may come again."""

    def __init__(self, private_key: Ed25519PrivateKey, steady: Callable[[], float] = time.monotonic) -> None:
        """`steady` gives seconds, from any begin."""
        super().__init__(private_key)
        self._steady = steady
        self._failing: float | None = None

    def failing(self) -> float:
        """The seconds for which the key has not signed what it should; 0 where it signs."""
        return 0.0 if self._failing is None else self._steady() - self._failing

    def _signature(self, signed: bytes) -> bytes:
        """Raises Interrupted with SIGNING_KEY_UNAVAILABLE. The log has the problem, callers learn nothing of it."""
        try:
            signature = super()._signature(signed)
        except KeyUnusable as error:
            if self._failing is None:
                self._failing = self._steady()
                _log.error("nothing can be signed, and what needs a signature is refused: %s", error)
            raise Interrupted(Reason.REASON_SIGNING_KEY_UNAVAILABLE) from error
        if self._failing is not None:
            self._failing = None
            _log.info("the signing key signs again")
        return signature


def certified_key(path: Path) -> Ed25519PublicKey:
    """The key of the signing certificate in a file. Raises OSError, or ValueError with the name of the file."""
    try:
        return _ed25519(_only_certificate(path.read_bytes()))
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        problem = problem_text(error)
        raise Unfit(f"{path}: {problem.en}", f"{path}：{problem.zh_cn}") from error


def count_signatures(proofs: Iterable[bytes]) -> int:
    """How many signatures are in proofs and plain signatures: contents of one tree share one."""
    return len({each[:_SIGNATURE_BYTES] for each in proofs})


def is_signed_by(key: bytes, domain: bytes, content: bytes, signature: bytes) -> bool:
    """Whether the owner of an Ed25519 public key (32 bytes) signed content for one purpose. False for no such key."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed_bytes(domain, content))
    except (ValueError, InvalidSignature):
        return False
    return True


def is_signed_under(certificate: bytes, domain: bytes, content: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 key of a certificate (PEM) signed content for one purpose. False for anything else.

    The issuer, the end and the owner of the certificate are the caller's question.
    """
    try:
        key = _only_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return isinstance(key, Ed25519PublicKey) and is_signed_by(key.public_bytes_raw(), domain, content, signature)


def signed_bytes(domain: bytes, content: bytes) -> bytes:
    """The bytes under the signature over a content for one purpose."""
    return domain + b"\0" + content


def _signed_root(domain: bytes, size: int, root: bytes) -> bytes:
    return signed_bytes(_TREE_DOMAINS[domain], size.to_bytes(2, "big") + root)


def _proven_root(domain: bytes, content: bytes, proof: bytes) -> bytes | None:
    """The bytes that a region must have signed for a content with a proof; None where no proof has this form."""
    if domain not in _TREE_DOMAINS or len(proof) < _PATH_BEGINS:
        return None
    salt, size, index = _PLACE.unpack_from(proof, _SIGNATURE_BYTES)
    root = root_of(leaf(salt, content), index, size, proof[_PATH_BEGINS:])
    return None if root is None else _signed_root(domain, size, root)


def _without_path(domain: bytes, content: bytes, signature: bytes) -> tuple[bytes, bool] | None:
    """The bytes under a signature, and whether it may come again with others; None where its path leads nowhere."""
    if len(signature) <= _SIGNATURE_BYTES:
        return signed_bytes(domain, content), domain in _REPEATED
    root = _proven_root(domain, content, signature)
    return None if root is None else (root, True)


@dataclass(frozen=True, eq=False)
class _Accepted:
    """A signing certificate that was verified once."""

    pem: bytes
    """The certificate encoded anew: no byte around it, and none that a reader skips, is kept."""
    certificate: x509.Certificate
    issuer: x509.Certificate
    key: Ed25519PublicKey

    @cached_property
    def require_once(self) -> Callable[[bytes, bytes], None]:
        """Raises InvalidSignature for a wrong signature over some bytes; right ones are remembered.

        They end with the key. Wrong ones take no place of theirs. Some callers are threads.
        """
        return lru_cache(_REMEMBERED)(self.require)

    def require(self, signature: bytes, signed: bytes) -> None:
        """Raises InvalidSignature for a wrong signature over some bytes."""
        self.key.verify(signature, signed)

    def has_signed(self, signed: bytes, signature: bytes, *, is_repeated: bool) -> bool:
        """Whether a signature over some bytes is right. A repeated one is verified once."""
        try:
            (self.require_once if is_repeated else self.require)(signature, signed)
        except InvalidSignature:
            return False
        return True

    @property
    def order(self) -> tuple[datetime, int, bytes]:
        """The order of a region's certificates: all readers agree, whatever order they saw the certificates in.

        The time of issue has seconds. Within a second the serial number decides, and then all signed bytes.
        """
        signed = self.certificate.tbs_certificate_bytes
        return self.certificate.not_valid_before_utc, self.certificate.serial_number, signed


class TrustedKeys:
    """The signing keys of the regions, each proven by a certificate of the federation's authority.

    Takes the authority's certificate or certificates as PEM; raises ValueError if one is no authority's.
    """

    def __init__(self, authority: bytes, federation: str) -> None:
        self._authorities = _authorities(authority)
        self.federation: Final = federation
        self.revocations: Final = Revocations(authority, federation)
        """The revoked certificates, by lists under the same authority. Such a certificate's key is dropped."""
        self.revocations.on_change(self._drop_distrusted)
        self._listeners: list[Callable[[], None]] = []
        self._accepted: dict[str, tuple[_Accepted, ...]] = {}
        self._newest: dict[str, _Accepted] = {}
        # Evidence comes in numbers by few certificates. Some callers are threads.
        self._of_evidence = lru_cache(_REMEMBERED)(self._verified)

    def accept(
        self, region: str, pem: bytes, now: datetime, *, before_change: Callable[[], None] | None = None
    ) -> bytes:
        """Verifies a region's signing certificate (PEM), trusts its key from here on, and returns its PEM alone.

        Two certificates are the same if the authority signed the same bytes, whatever surrounds them. `now` is aware.
        Certificates only go forward: by time of issue, within a second by serial number. A former certificate of the
        region changes nothing. `before_change` is called before a new certificate becomes the newest; its exception
        prevents the change.

        Raises Refused(REQUEST_INVALID), and trusts nothing new, for anything but one certificate in force. The
        authority must have issued it to exactly this region for an Ed25519 key, and no newer certificate was accepted.
        """
        known = self._accepted.get(region, ())
        newest = self._newest.get(region)
        try:
            found = _among(known, pem)
            accepted = found or self._verified(region, pem)
            if not _is_valid(accepted, now):
                raise Unfit(
                    "it or its authority's certificate has expired or is not valid yet",
                    "证书或其颁发机构的证书已过期或尚未生效",
                )
            if self._is_revoked(accepted):
                raise Unfit("it was revoked", "已吊销")
            if found is None and newest is not None and accepted.order < newest.order:
                raise Unfit(
                    "another one was accepted that was issued later, or then with a higher serial number",
                    "已接受签发更晚或序列号更大的证书",
                )
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
            problem = problem_text(error)
            raise invalid("signing_certificate", problem.en, problem.zh_cn) from error
        if newest is None or accepted.order > newest.order:
            if before_change is not None:
                before_change()
            self._newest[region] = accepted
        kept = [each for each in known if _is_valid(each, now)]
        self._accepted[region] = tuple(kept if found else [accepted, *kept])[:_KEYS_PER_REGION]
        return accepted.pem

    def replace_authority(self, authority: bytes) -> None:
        """Trusts what these authorities (PEM) have certified, and nothing else. Raises ValueError without a change.

        A key whose authority is not among them is dropped. Revocation lists stay in force.
        """
        self._authorities = _authorities(authority)
        self.revocations.replace_authority(authority)
        self._of_evidence.cache_clear()
        self._drop_distrusted()

    def on_distrust(self, listener: Callable[[], None]) -> None:
        """Calls the listener whenever certificates may count no more: they were revoked, or an authority is gone."""
        self._listeners.append(listener)

    def vouches_for(self, certificate: x509.Certificate) -> bool:
        """Whether an authority that counts has issued a certificate, and none has revoked it, whatever its end."""
        is_issued = any(has_issued(each, certificate) for each in self._authorities)
        return is_issued and not self.revocations.names(certificate)

    @property
    def authorities(self) -> Sequence[x509.Certificate]:
        """The certificates of the federation's authority that count now."""
        return self._authorities

    def newest(self, region: str) -> bytes | None:
        """The newest certificate (PEM) of a region, though it may have run out since; None for none."""
        newest = self._newest.get(region)
        return None if newest is None else newest.pem

    def certificates(self, region: str) -> Sequence[bytes]:
        """The certificates (PEM) of a region that are at hand: those that count, and the newest one."""
        known = self._accepted.get(region, ())
        newest = self._newest.get(region)
        return [each.pem for each in (known if newest is None or newest in known else (*known, newest))]

    def expire(self, now: datetime) -> None:
        """Removes the keys whose certificates, or their authority's, are not valid at `now` (aware)."""
        for region, known in list(self._accepted.items()):
            self._accepted[region] = tuple(each for each in known if _is_valid(each, now))

    def verify(self, region: str, domain: bytes, content: bytes, signature: bytes) -> bool:
        """Whether the region signed this content for this purpose, alone or with others (`Signer.sign_all`).

        False for a region without a trusted key. The signature of a commit, and that of a statement which comes with
        each heartbeat, are verified once.
        """
        return self.signer_of(region, domain, content, signature) is not None

    def signer_of(self, region: str, domain: bytes, content: bytes, signature: bytes) -> x509.Certificate | None:
        """The trusted certificate of the region that proves a signature, as `verify`; None where none does."""
        found = _without_path(domain, content, signature)
        if found is None:
            return None
        signed, is_repeated = found
        for accepted in self._accepted.get(region, ()):
            if accepted.has_signed(signed, signature[:_SIGNATURE_BYTES], is_repeated=is_repeated):
                return accepted.certificate
        return None

    def verify_evidence(
        self, region: str, pem: bytes, content: bytes, signature: bytes, then: datetime, domain: bytes = ENVELOPE
    ) -> bool:
        """Whether the region signed a content at a time, by its certificate (PEM) of then, which may have run out."""
        found = _without_path(domain, content, signature)
        accepted = self._certified(region, pem)
        if found is None or accepted is None or not _is_valid(accepted, then):
            return False
        return accepted.has_signed(found[0], signature[:_SIGNATURE_BYTES], is_repeated=False)

    def has_certified(self, region: str, pem: bytes) -> bool:
        """Whether an authority that counts has issued a signing certificate (PEM) to the region, whatever its end."""
        return self._certified(region, pem) is not None

    def _certified(self, region: str, pem: bytes) -> _Accepted | None:
        try:
            return self._of_evidence(region, pem)
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion):
            return None

    def _drop_distrusted(self) -> None:
        for region, known in list(self._accepted.items()):
            self._accepted[region] = tuple(
                each for each in known if each.issuer in self._authorities and not self._is_revoked(each)
            )
        for listener in self._listeners:
            listener()

    def _is_revoked(self, accepted: _Accepted) -> bool:
        return self.revocations.names(accepted.certificate)

    def _verified(self, region: str, pem: bytes) -> _Accepted:
        certificate = _only_certificate(pem)
        issuer = next((each for each in self._authorities if has_issued(each, certificate)), None)
        if issuer is None:
            raise Unfit("not issued by the authority of the federation", "不是由联盟的证书颁发机构签发")
        require_signing(certificate)
        owner = Identity(self.federation, Role.ROLE_REGION, region, "")
        if uris_of(certificate) != [owner.uri]:
            raise Unfit(f"not issued to {owner.uri} alone", f"不是仅签发给{owner.uri}")
        return _Accepted(certificate.public_bytes(Encoding.PEM), certificate, issuer, _ed25519(certificate))


def certificate_hash(pem: bytes) -> bytes:
    """The SHA-256 of a certificate's DER, by which statements name it. Raises ValueError for anything but one PEM."""
    return _only_certificate(pem).fingerprint(SHA256())


def _authorities(pem: bytes) -> list[x509.Certificate]:
    found = x509.load_pem_x509_certificates(pem)
    for certificate in found:
        if not _is_authority(certificate):
            raise Unfit(
                f"the certificate of {certificate.subject.rfc4514_string()} is no authority's",
                f"{certificate.subject.rfc4514_string()}的证书不是证书颁发机构的证书",
            )
    return found


def _only_certificate(pem: bytes) -> x509.Certificate:
    found = x509.load_pem_x509_certificates(pem)
    if len(found) != 1:
        raise Unfit(f"there are {len(found)} certificates, not one", f"证书应为一份，实为{len(found)}份")
    return found[0]


def _ed25519(certificate: x509.Certificate) -> Ed25519PublicKey:
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise Unfit("the key is not an Ed25519 key", "密钥不是Ed25519密钥")
    return key


def _among(known: Sequence[_Accepted], pem: bytes) -> _Accepted | None:
    """The accepted certificate equal to `pem`. Heartbeats present it in its stored form: then nothing is parsed."""
    if (found := next((each for each in known if each.pem == pem), None)) is not None:
        return found
    certificate = _only_certificate(pem)
    return next((each for each in known if _are_same(each.certificate, certificate)), None)


def _are_same(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Compares the bytes that the authority signed: the signature itself has two encodings (ECDSA)."""
    return one.tbs_certificate_bytes == other.tbs_certificate_bytes


def _is_valid(accepted: _Accepted, now: datetime) -> bool:
    both = (accepted.certificate, accepted.issuer)
    return all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in both)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        may_sign = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        may_sign = True
    return may_sign and signs_certificates(certificate)
