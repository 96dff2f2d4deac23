"""The person who acts through an operator system in a call: a member of staff with a proof, or nobody of staff.

The proof comes as `authorization: Bearer` (RFC 6750). All that a request says of the person passes here, before any
service reads it: so a service may believe the staff id that it reads.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document, Requester
from gateway.errors import Refused
from gateway.rpc.access import AccessRules
from gateway.security.identity import Identity
from gateway.security.peers import Peer
from gateway.security.provider_tokens import TokenInvalid, bearer_token
from gateway.security.staff_proofs import StaffProof, StaffProofs, invalid
from gateway.time.clock import Clock
from gateway.values.requesters import SELF_SERVICE

Metadata = Iterable[tuple[str, str | bytes]]


class Operators(Protocol):
    """A region's own word about its operator systems."""

    def believes(self, operator: str) -> bool:
        """Whether the operator system is believed when it names a member of staff without a proof."""
        ...

    def client_id(self, operator: str) -> str:
        """The name of the operator system at the region's identity provider."""
        ...


@dataclass(frozen=True)
class Acting:
    """The person who acts in a call of an operator system that sends a proof, or is not believed."""

    operator: Identity
    proof: StaffProof | None
    """None where nobody of staff acts."""
    staff: "ActingStaff"

    def take(self, message: Message, path: str = "") -> None:
        """Completes and checks what a request says of the person; elements that are refused singly are left out.

        Each requester has the proven name afterwards, or `self-service`. `path` is the place of the message in the
        request. Raises Refused: with STAFF_DIFFERS for another name than the proven one; with STAFF_NOT_PROVEN where
        nobody of staff acts, for a name, and for a document that rests on the person who has seen it; and once the
        proof counts no more, as on a stream that stays open.
        """
        if self.proof is not None:
            self.staff.require_in_force(self.proof)
        found = list(_held(message, path))
        for field, held in found:
            if isinstance(held, Requester):
                self._name(held, f"{field}.staff_id" if field else "staff_id")
        if self.proof is None:
            self._require_seen([held for _, held in found if isinstance(held, Document)])

    def require_not_revoked(self) -> None:
        """Raises Refused where the certificate behind the proof was revoked."""
        if self.proof is not None and self.proof.peer is not None:
            self.staff.require_not_revoked(self.proof.peer)

    def _require_seen(self, documents: Sequence[Document]) -> None:
        """Raises Refused for a document that rests on somebody of staff.

        One on file tells nothing of the person who names it now: with it the customer says a code or a password.
        """
        said = [each for each in documents if self.staff.is_checked_at_home(each)]
        is_customers = any(self.staff.is_of_customer(each) for each in said)
        for each in documents:
            if each not in said and not (is_customers and each.document_id):
                problem, chinese = f"nobody of staff has seen {each.code}", f"没有员工查验过{each.code}"
                raise not_proven(self.operator.path, problem, chinese)

    def _name(self, requester: Requester, field: str) -> None:
        if self.proof is None:
            if requester.staff_id not in ("", SELF_SERVICE):
                raise not_proven(self.operator.path, f"{field} names one", f"{field}载有员工")
            requester.staff_id = SELF_SERVICE
        elif requester.staff_id not in ("", self.proof.staff_id):
            told = {"field": field, "staff_id": requester.staff_id, "proven": self.proof.staff_id}
            raise Refused(Reason.REASON_STAFF_DIFFERS, **told)
        else:
            requester.staff_id = self.proof.staff_id


class ActingStaff:
    """Finds out who acts in the calls of a node's operator systems."""

    def __init__(
        self,
        proofs: StaffProofs,
        access: AccessRules,
        operators: Operators,
        clock: Clock,
        checked_at_home: Collection[str],
        of_customer: Collection[str],
    ) -> None:
        """`clock` is the machine's. `checked_at_home` has the codes of documents that the home region itself checks.

        `of_customer` has those of them by which customers open their documents on file: a contact does not.
        """
        self._proofs = proofs
        self._access = access
        self._operators = operators
        self._clock = clock
        self._checked_at_home = checked_at_home
        self._of_customer = of_customer

    def acting(self, operator: Identity, method: str, metadata: Metadata) -> Acting | None:
        """The person who acts; None where the operator system is believed and sends no proof.

        Raises Refused with STAFF_PROOF_INVALID or STAFF_PROOF_EXPIRED, and with STAFF_NOT_PROVEN where the method needs
        a member of staff.
        """
        token = _bearer(metadata)
        if token is not None:
            client_id = self._operators.client_id(operator.name)
            proof = self._proofs.verified(token, operator, client_id, self._clock.now())
            return Acting(operator, proof, self)
        if self._operators.believes(operator.name):
            return None
        if not self._access.serves_without_staff(method):
            name = method.rpartition("/")[2]
            raise not_proven(operator.path, f"{name} is for staff", f"{name}须由员工办理")
        return Acting(operator, None, self)

    def require_in_force(self, proof: StaffProof) -> None:
        """As `StaffProofs.require_in_force`, at this moment."""
        self._proofs.require_in_force(proof, self._clock.now())

    def require_not_revoked(self, peer: Peer) -> None:
        """As `StaffProofs.require_not_revoked`."""
        self._proofs.require_not_revoked(peer)

    def is_checked_at_home(self, document: Document) -> bool:
        """Whether the home region itself checks what the customer says: a code or a password."""
        return document.code in self._checked_at_home

    def is_of_customer(self, document: Document) -> bool:
        """Whether the customer alone can say it: a code to the line, or a password."""
        return document.code in self._of_customer


def not_proven(operator: str, problem: str, problem_zh_cn: str) -> Refused:
    """STAFF_NOT_PROVEN of an operator system, by its path, with the problem in both languages."""
    told = {"operator": operator, "problem": problem, "problem_zh_cn": problem_zh_cn}
    return Refused(Reason.REASON_STAFF_NOT_PROVEN, **told)


def _bearer(metadata: Metadata) -> str | None:
    """The token of a call; None without one. Raises Refused for several, and for another scheme."""
    found = [value for key, value in metadata if key == "authorization"]
    try:
        return bearer_token(found) if found else None
    except TokenInvalid as error:
        raise invalid(error.told.en, error.told.zh_cn) from None


def _held(message: Message, path: str) -> Iterator[tuple[str, Requester | Document]]:
    """The requesters and documents in a message, each with its place."""
    if isinstance(message, Requester | Document):
        yield path, message
        return
    for name, is_repeated in _leading(message.DESCRIPTOR):
        place = f"{path}.{name}" if path else name
        if is_repeated:
            for index, each in enumerate(getattr(message, name)):
                yield from _held(each, f"{place}[{index}]")
        elif message.HasField(name):
            yield from _held(getattr(message, name), place)


@cache
def _leading(descriptor: Descriptor) -> Sequence[tuple[str, bool]]:
    """The fields that lead to a requester or a document, and whether each is repeated."""
    return [
        (field.name, field.is_repeated)
        for field in descriptor.fields
        if field.message_type is not None
        and not field.GetOptions().Extensions[access_pb2.refused_singly]
        and _leads(field.message_type, frozenset())
    ]


def _leads(descriptor: Descriptor, above: frozenset[str]) -> bool:
    if descriptor in (Requester.DESCRIPTOR, Document.DESCRIPTOR):
        return True
    around = above | {descriptor.full_name}
    inner = [each.message_type for each in descriptor.fields if each.message_type is not None]
    return any(each.full_name not in around and _leads(each, around) for each in inner)
