"""Proofs of members that have no signing certificate: coordinators and administrators sign by their TLS key (ECDSA).

The domain keeps a signature of one purpose from serving another, as in `gateway.security.signing`. The reader verifies
the certificate itself, whatever anybody says about it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.errors import Unfit
from gateway.security.enrolling import readable
from gateway.security.identity import Identity
from gateway.security.peers import LONGEST_CHAIN, peer_of_chain
from gateway.security.private_keys import pem_key
from gateway.security.signing import TrustedKeys, signed_bytes
from gateway.security.tls import Credentials
from gateway.time.clock import Clock


@dataclass(frozen=True)
class MemberProof:
    """The certificate (PEM) of a key, with its issuer behind it, and the signature of this key over a content."""

    certificate: bytes
    signature: bytes


Prove = Callable[[bytes], MemberProof]
"""Proves a content for one purpose. Raises CredentialsUnusable, KeyUnusable or ValueError."""


def proof_of_member(credentials: Credentials, clock: Clock, domain: bytes) -> Prove:
    """The proof of a coordinator or an administrator for one purpose, by the certificate in use."""

    def prove(content: bytes) -> MemberProof:
        loaded = credentials.load(clock.now())
        key = pem_key(credentials.in_use(clock.now()).key, loaded.key)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the present key is no ECDSA key")
        return MemberProof(loaded.certificate, key.sign(signed_bytes(domain, content), ec.ECDSA(SHA256())))

    return prove


def proven_member(proof: MemberProof, domain: bytes, content: bytes, keys: TrustedKeys, then: datetime) -> Identity:
    """The member that proves a content for one purpose, by a certificate in force at a time. `then` is aware.

    Raises ValueError where none does, and Refused with CERTIFICATE_REVOKED for a certificate revoked by now.
    """
    if len(proof.certificate) > LONGEST_CHAIN:
        raise Unfit("the certificate is too long", "证书过长")
    with readable():
        chain = x509.load_pem_x509_certificates(proof.certificate)
        peer = peer_of_chain(chain, keys.authorities, keys.federation, then)
        keys.revocations.require_in_force(peer)
        public = chain[0].public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise Unfit("the key of the certificate is no ECDSA key", "证书密钥不是ECDSA密钥")
        try:
            public.verify(proof.signature, signed_bytes(domain, content), ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise Unfit("the key of the certificate has not signed it", "未由证书密钥签名") from None
    return peer.identity
