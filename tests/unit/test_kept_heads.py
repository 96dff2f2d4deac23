"""The heads of other regions' audit chains that a witness keeps."""

import contextlib
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.witnessing_pb2 import WitnessAnswer, WitnessStatement
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing.audit import Head
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.signing import AUDIT_HEAD, Signer, TrustedKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import from_timestamp
from region_node.node.witnessing.witness import keep
from tests.empty_database import empty_database
from tests.keys import region_keys

FEDERATION, REGION = "example.org", "sichuan"
NOW, MINUTE, DAY = datetime(2026, 12, 1, tzinfo=UTC), timedelta(minutes=1), timedelta(days=1)
AUTHORITY = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
HEAD = Head(7, b"h" * 32)


class Told:
    """A region with a signing key of its own, and a witness that trusts this one of the region's keys alone."""

    def __init__(self) -> None:
        issued = AUTHORITY.issue_signing(Identity(FEDERATION, Role.ROLE_REGION, REGION, ""), NOW - DAY, NOW + DAY)
        assert isinstance(issued.key, Ed25519PrivateKey)
        trusted = TrustedKeys(AUTHORITY.certificate_pem, FEDERATION)
        trusted.accept(REGION, issued.certificate_pem, NOW)
        self._signer = Signer(issued.key)
        self._border = Border("henan", Signer(Ed25519PrivateKey.generate()), trusted, CurrentFederation())

    def keep(self, tx: Transaction, head: Head, now: datetime) -> WitnessAnswer:
        """The answer of the witness to the head of the region's chain."""
        signature = self._signer.sign(AUDIT_HEAD, head.signed_bytes())
        told = AuditHead(sequence=head.sequence, hash=head.hash, signature=signature)
        return keep(tx, self._border, REGION, WitnessStatement(head=told), now)

    def has_signed(self, answer: WitnessAnswer) -> bool:
        """Whether the kept head has a signature of the region that counts."""
        head = Head(answer.kept.sequence, answer.kept.hash)
        return self._border.keys.verify(REGION, AUDIT_HEAD, head.signed_bytes(), answer.kept.signature)


def test_a_region_with_a_fresh_key_after_a_revocation_is_witnessed_although_its_chain_stands_still() -> None:
    former, fresh = Told(), Told()
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, region_keys())
        first = former.keep(tx, HEAD, NOW)
        again = former.keep(tx, HEAD, NOW + MINUTE)
        assert from_timestamp(again.tell_time) == NOW, "the first word is the stronger one while its key counts"
        answer = fresh.keep(tx, HEAD, NOW + 2 * MINUTE)
        assert (former.has_signed(first), fresh.has_signed(answer), answer.contradicted) == (True, True, False)
        assert from_timestamp(answer.tell_time) == NOW + 2 * MINUTE
        other = fresh.keep(tx, Head(HEAD.sequence, b"o" * 32), NOW + 3 * MINUTE)
        assert (other.contradicted, other.kept) == (True, answer.kept), "another row in the same place is none of it"
