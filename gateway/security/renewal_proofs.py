"""Proofs of renewals: a region signs for its nodes, every other member signs by the key of its present certificate.

The issuing program verifies the proof itself, whatever a coordinator says about it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.api.coordinator.v1.renewal_service_pb2 import RenewalStatement, RenewCertificateRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.enrolling import RequestedRenewal, certificate_request, readable
from gateway.security.identity import Identity
from gateway.security.peers import peer_of_chain
from gateway.security.private_keys import pem_key
from gateway.security.signing import RENEWAL, Signer, TrustedKeys, signed_bytes
from gateway.security.tls import Credentials
from gateway.time.clock import Clock, to_timestamp


@dataclass(frozen=True)
class RenewalProof:
    """The certificate (PEM) of a key, with its issuer behind it, and the signature of this key over a statement."""

    certificate: bytes
    signature: bytes


Prove = Callable[[bytes], RenewalProof]
"""Proves a serialised statement. Raises CredentialsUnusable, KeyUnusable or ValueError."""


def proof_of_region(signer: Signer, certificate: bytes) -> Prove:
    """The proof of a region, by its signing certificate (PEM)."""
    return lambda statement: RenewalProof(certificate, signer.sign(RENEWAL, statement))


def proof_of_member(credentials: Credentials, clock: Clock) -> Prove:
    """The proof of a coordinator or an administrator, by the certificate in use."""

    def prove(statement: bytes) -> RenewalProof:
        loaded = credentials.load(clock.now())
        key = pem_key(credentials.in_use(clock.now()).key, loaded.key)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the present key is no ECDSA key")
        return RenewalProof(loaded.certificate, key.sign(signed_bytes(RENEWAL, statement), ec.ECDSA(SHA256())))

    return prove


def proven_request(
    identity: Identity, process: int, key: ec.EllipticCurvePrivateKey, prove: Prove, now: datetime
) -> RenewCertificateRequest:
    """The request of a member for a fresh key. `now` is aware. Raises as `prove`."""
    is_node = identity.role == Role.ROLE_REGION
    statement = RenewalStatement(
        region=identity.region,
        process=process,
        tls_request=certificate_request(key, identity),
        request_time=to_timestamp(now),
        member="" if is_node else identity.path,
    ).SerializeToString()
    proof = prove(statement)
    return RenewCertificateRequest(
        statement=statement, signing_certificate=proof.certificate, signature=proof.signature
    )


def require_member_proof(
    asked: RequestedRenewal, statement: bytes, proof: RenewalProof, keys: TrustedKeys, now: datetime
) -> None:
    """Raises ValueError unless a member that is no region proves a statement by a certificate in force. `now` is aware.

    Raises Refused with CERTIFICATE_REVOKED for a revoked one.
    """
    with readable():
        chain = x509.load_pem_x509_certificates(proof.certificate)
        peer = peer_of_chain(chain, keys.authorities, asked.identity.federation, now)
        keys.revocations.require_in_force(peer)
        public = chain[0].public_key()
        if peer.identity != asked.identity or not isinstance(public, ec.EllipticCurvePublicKey):
            raise ValueError("the certificate is of another member")
        try:
            public.verify(proof.signature, signed_bytes(RENEWAL, statement), ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise ValueError("the key of the certificate has not signed it") from None
