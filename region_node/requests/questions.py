"""Questions to the home regions of other customers, within the call that is being served."""

from datetime import timedelta

from google.protobuf.message import Message

from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import number_prefix
from gateway.process.tracing import current_traceparent
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import ATTEMPTS, Asker
from gateway.rpc.calls import current_call
from gateway.rpc.pages import DEFAULT_PAGE_SIZE
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner

ANSWER_SECONDS = 10.0  # the limit in the catalogue for immediate answers


def is_large(items: int) -> bool:
    """Whether an answer with a list of up to so many items travels alone: more than a page by default.

    The answers of a batch share one message of 16 MiB, which leaves 64 KiB for each of them.
    """
    return items > DEFAULT_PAGE_SIZE


class Questions:
    """The ports by which the services of an origin region query others."""

    def __init__(self, context: RegionContext, asker: Asker) -> None:
        self._context = context
        self._asker = asker

    @property
    def questioner(self) -> Questioner:
        """The caller: the operator system or the member of staff."""
        call = current_call()
        is_staff = call.identity.role == Role.ROLE_STAFF
        return Questioner(self._context.region, call.identity.name, is_staff, call.proof)

    def owner_of(self, number: str) -> str:
        """The home region of a number in E.164. Raises Refused with NUMBER_UNRESOLVED."""
        owner = self._context.federation.number_plan.home_of(number)
        if owner is None:
            raise Refused(Reason.REASON_NUMBER_UNRESOLVED, number=number_prefix(number))
        return owner

    async def ask(
        self,
        owner: str,
        kind: EnvelopeKind.ValueType,
        subject: str,
        question: Message,
        *,
        lifetime: timedelta = timedelta(seconds=ANSWER_SECONDS),
        attempts: int = ATTEMPTS,
        alone: bool = False,
    ) -> bytes:
        """The answer of the region `owner`. `subject` names the query, without personal data.

        A slow or a large answer travels `alone`, as `Asker.ask` says. Raises Refused as that region does, and with
        REGION_UNREACHABLE.
        """
        questioner = self.questioner
        outgoing = OutgoingEnvelope(
            envelope_id=questioner.subject(subject),
            destination=owner,
            kind=kind,
            payload=question.SerializeToString(),
            subject=subject,
            operator=questioner.operator,
            lifetime=lifetime,
        )
        seconds = current_call().seconds_left(ANSWER_SECONDS)
        return await self._asker.ask(outgoing, seconds, current_traceparent(), attempts, alone=alone)
