"""Proofs of renewals: a region signs for its nodes, every other member signs by the key of its present certificate.

The issuing program verifies the proof itself, whatever a coordinator says about it.
"""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.coordinator.v1.renewal_service_pb2 import RenewalStatement, RenewCertificateRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unfit
from gateway.security.enrolling import RequestedRenewal, certificate_request
from gateway.security.identity import Identity
from gateway.security.member_proofs import MemberProof, Prove, proven_member
from gateway.security.signing import RENEWAL, Signer, TrustedKeys
from gateway.time.clock import to_timestamp


def proof_of_region(signer: Signer, certificate: bytes) -> Prove:
    """The proof of a region, by its signing certificate (PEM)."""
    return lambda statement: MemberProof(certificate, signer.sign(RENEWAL, statement))


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
    asked: RequestedRenewal, statement: bytes, proof: MemberProof, keys: TrustedKeys, now: datetime
) -> None:
    """Raises ValueError unless a member that is no region proves a statement by a certificate in force. `now` is aware.

    Raises Refused with CERTIFICATE_REVOKED for a revoked one.
    """
    if proven_member(proof, RENEWAL, statement, keys, now) != asked.identity:
        raise Unfit("the certificate is of another member", "证书属于其他成员")
