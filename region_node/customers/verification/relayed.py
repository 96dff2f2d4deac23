"""Origin regions' queries about codes and passwords of this region's customers."""

from datetime import datetime

from google.protobuf.message import Message

from gateway.api.region.v1.verification_envelopes_pb2 import VerificationQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Kinds, SlowQuery
from gateway.relay.envelopes import Answer
from region_node.customers.verification.application import VerificationApplication
from region_node.node.payloads import received
from region_node.requests.checks import Questioner, require_name


class VerificationEnvelopes:
    """The kind of envelope of verifications. Its answer takes several transactions, and it is never stored."""

    def __init__(self, application: VerificationApplication) -> None:
        self._application = application

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_VERIFICATION: SlowQuery(self._asked)}

    async def _asked(self, content: EnvelopeContent, now: datetime) -> Answer:
        query = received(VerificationQuery, content.payload)
        require_name("operator", content.operator)
        questioner = Questioner(content.origin, content.operator, query.role == Role.ROLE_STAFF)
        result = await self._answer(questioner, query)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=result.SerializeToString())

    async def _answer(self, questioner: Questioner, query: VerificationQuery) -> Message:
        match query.WhichOneof("query"):
            case "send_code" | "send_code_to_contact" as arm:
                sending = query.send_code if arm == "send_code" else query.send_code_to_contact
                _require_own(questioner, query.subject, sending.request_id)
                if bool(sending.contact) != (arm == "send_code_to_contact"):
                    raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="another contact has an arm of its own")
                return await self._application.send_code(questioner, sending)
            case "verify":
                _require_own(questioner, query.subject, query.verify.request_id)
                return await self._application.verify(questioner, query.verify)
            case "change_password":
                _require_own(questioner, query.subject, query.change_password.request_id)
                return await self._application.change_password(questioner, query.change_password)
            case _:
                raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it asks nothing")


def _require_own(questioner: Questioner, subject: str, request_id: str) -> None:
    """Requires that a region queries for its own requests alone."""
    if subject != questioner.subject(request_id):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the request is another operator's")
