"""Acts of administrators at nodes, which coordinators bring: signed by the administrator, not by the coordinator. Pure.

The signature is over the digest of the act, so that an audit row with digest, key and signature proves it without its
texts. The same act once more is found by its request id, or changes nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import Message

from gateway.api.federation.v1.revision_pb2 import AdministratorAct, SignedAct
from gateway.federation.revisions import Chain, RevisionRefused, parsed
from gateway.security.signing import ADMINISTRATOR_ACT, Signer, is_signed_by
from gateway.time.clock import BETWEEN_TRUSTED, to_microseconds

VALID_FOR = timedelta(days=1)
"""The time after its signing for which a node takes an act: a coordinator that keeps it back cannot use it later."""
_NOT_SIGNED = ("signed", "administrator", "version", "ownership")


@dataclass(frozen=True)
class ProvenAct:
    """The administrator who has signed, by the name in the configuration, and the proof for the audit row."""

    administrator: str
    proof: str
    sign_time_us: int = 0
    """By the administrator's clock, in microseconds since 1970; 0 where nothing is signed."""

    def noted(self, detail: str) -> str:
        """The detail of the audit row, with the proof."""
        return ", ".join(filter(None, (detail, self.proof)))


def signed_act(signer: Signer, federation: str, method: str, region: str, request: Message, now: datetime) -> SignedAct:
    """The act of an administrator. `method` and `region` as in the contract; `now` is aware."""
    act = AdministratorAct(
        federation=federation,
        method=method,
        region=region,
        request=_as_signed(request).SerializeToString(deterministic=True),
        sign_time_us=to_microseconds(now),
    ).SerializeToString(deterministic=True)
    signature = signer.sign(ADMINISTRATOR_ACT, hashlib.sha256(act).digest())
    return SignedAct(act=act, key=signer.public_key, signature=signature)


def proven_act(signed: SignedAct, chain: Chain, method: str, region: str, request: Message, now: datetime) -> ProvenAct:
    """An act, proven for a request to the node of a region. `region` is empty where any region may decide.

    Raises RevisionRefused with the reason.
    """
    people = {each.key: each.name for each in chain.place.administration.administrators}
    digest = hashlib.sha256(signed.act).digest()
    if signed.key not in people or not is_signed_by(signed.key, ADMINISTRATOR_ACT, digest, signed.signature):
        raise RevisionRefused(
            f"no administrator of revision {chain.place.revision} has signed it",
            f"未经修订{chain.place.revision}的管理员签名",
        )
    act = parsed(AdministratorAct, signed.act)
    if act.federation != chain.place.federation:
        raise RevisionRefused(f"it is of the federation {act.federation!r}", f"属于联盟{act.federation!r}")
    if (act.method, act.region) != (method, region):
        raise RevisionRefused("it is of another kind, or for another region", "类型不同，或针对其他地区")
    if parsed(type(request), act.request) != _as_signed(request):
        raise RevisionRefused("it says otherwise than the call", "与本次请求不符")
    if not to_microseconds(now - VALID_FOR) <= act.sign_time_us <= to_microseconds(now + BETWEEN_TRUSTED):
        raise RevisionRefused("it was not signed within a day", "并非在一天内签名")
    proof = f"act {digest.hex()}, key {signed.key.hex()}, signature {signed.signature.hex()}"
    return ProvenAct(people[signed.key], proof, act.sign_time_us)


def _as_signed(request: Message) -> Message:
    """A request without what a coordinator adds to it."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name in _NOT_SIGNED:
        if name in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    return copy
