"""The heads of the coordinators' audit chains, signed by the coordinator that gives them to witnesses."""

import logging
from datetime import timedelta

from gateway.api.federation.v1.federation_pb2 import ChainHead
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import dated_bytes
from gateway.errors import Refused
from gateway.security.member_proofs import MemberProof, Prove, proven_member
from gateway.security.private_keys import KeyUnusable
from gateway.security.signing import COORDINATOR_HEAD, TrustedKeys
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import Clock, from_microseconds, to_microseconds

REGISTRY = "registry"
"""The name of the chain of the registry's changes, for which every coordinator signs."""
# An idle chain is signed again, by the certificate that is in use then.
_AGAIN = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class HeadSigner:
    """Signs the heads of the chains of one coordinator for their witnesses. Used on one event loop."""

    def __init__(self, prove: Prove, clock: Clock) -> None:
        """`prove` proves for COORDINATOR_HEAD."""
        self._prove = prove
        self._clock = clock
        self._signed: dict[str, ChainHead] = {}

    def signed(self, chain: str, head: Head) -> ChainHead:
        """The head of a chain with a signature. Without one where the own key is not to be used: the log says why."""
        now, before = self._clock.now(), self._signed.get(chain, ChainHead())
        is_same = (before.sequence, before.hash) == (head.sequence, head.hash)
        # Every region asks: what does not change is signed once for all of them.
        if is_same and abs(now - from_microseconds(before.sign_time_us)) < _AGAIN:
            return before
        told = ChainHead(chain=chain, sequence=head.sequence, hash=head.hash)
        try:
            proof = self._prove(dated_bytes(chain, head, now))
        except (CredentialsUnusable, KeyUnusable, ValueError) as error:
            _log.error("the head of the chain %s has no signature for its witnesses: %s", chain, error)
            return told
        told.sign_time_us, told.signature, told.certificate = to_microseconds(now), proof.signature, proof.certificate
        self._signed[chain] = told
        return told


def head_signer(told: ChainHead, keys: TrustedKeys) -> str:
    """The coordinator that has signed a head, for example `coordinator/0`; empty where none has.

    A coordinator signs for its own chain and for the registry's. Its certificate was in force at the time of the
    signature and is not revoked; it may have run out since. The log says why a signature counts for nothing.
    """
    if not told.signature:
        return ""
    head, proof = Head(told.sequence, told.hash), MemberProof(told.certificate, told.signature)
    try:
        then = from_microseconds(told.sign_time_us)
        identity = proven_member(proof, COORDINATOR_HEAD, dated_bytes(told.chain, head, then), keys, then)
        if identity.role != Role.ROLE_COORDINATOR or told.chain not in (identity.path, REGISTRY):
            raise ValueError(f"{identity.path} does not sign for it")
    except (ValueError, OverflowError, Refused) as problem:
        _log.warning("the signature of a head of the chain %.64r counts for nothing: %s", told.chain, problem)
        return ""
    return identity.path
