"""VerificationService: for own and for foreign customers, by the same calls."""

from typing import TypeVar

import grpc

from gateway.api.region.v1 import verification_service_pb2 as api
from gateway.api.region.v1.verification_envelopes_pb2 import VerificationQuery
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.relay.border import Moved
from gateway.relay.queries import ATTEMPTS
from gateway.rpc.calls import current_call
from gateway.rpc.element_counts import parsed
from region_node.customers.other_contacts.rules import mask_of
from region_node.customers.verification.application import VerificationApplication
from region_node.customers.verification.forms import require_form
from region_node.node.context import RegionContext
from region_node.requests.checks import name_requester
from region_node.requests.questions import Questions

A = TypeVar("A", api.SendCodeRequest, api.VerifyRequest, api.ChangePasswordRequest)
_ONCE = 1  # attempts: a code is used up, and a wrong claim counts


class VerificationService(VerificationServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, application: VerificationApplication, questions: Questions) -> None:
        self._context = context
        self._application = application
        self._questions = questions

    async def SendCode(
        self,
        request: api.SendCodeRequest,
        context: grpc.aio.ServicerContext[api.SendCodeRequest, api.SendCodeResponse],
    ) -> api.SendCodeResponse:
        """See the contract."""
        asked, owner = self._read(_with_mask(request))
        if owner is not None:
            query = (
                VerificationQuery(send_code_to_contact=asked) if asked.contact else VerificationQuery(send_code=asked)
            )
            return parsed(api.SendCodeResponse, await self._ask(owner, "SendCode", query, ATTEMPTS))
        try:
            return await self._application.send_code(self._questions.questioner, asked)
        except Moved as moved:
            raise _not_home(moved) from None

    async def Verify(
        self, request: api.VerifyRequest, context: grpc.aio.ServicerContext[api.VerifyRequest, api.VerifyResponse]
    ) -> api.VerifyResponse:
        """See the contract."""
        asked, owner = self._read(request)
        if asked.password and self._questions.questioner.is_staff:
            raise invalid("password", "staff check codes alone", "员工只能核验验证码")
        if owner is not None:
            query = VerificationQuery(verify=asked)
            return parsed(api.VerifyResponse, await self._ask(owner, "Verify", query, _ONCE))
        try:
            return await self._application.verify(self._questions.questioner, asked)
        except Moved as moved:
            raise _not_home(moved) from None

    async def ChangePassword(
        self,
        request: api.ChangePasswordRequest,
        context: grpc.aio.ServicerContext[api.ChangePasswordRequest, api.ChangePasswordResponse],
    ) -> api.ChangePasswordResponse:
        """See the contract."""
        asked, owner = self._read(request)
        if owner is not None:
            query = VerificationQuery(change_password=asked)
            return parsed(api.ChangePasswordResponse, await self._ask(owner, "ChangePassword", query, _ONCE))
        try:
            return await self._application.change_password(self._questions.questioner, asked)
        except Moved as moved:
            raise _not_home(moved) from None

    def _read(self, request: A) -> tuple[A, str | None]:
        """The request with its number in E.164, and the home region where it is another one."""
        asked = type(request)()
        asked.CopyFrom(request)
        name_requester(current_call().identity, asked.requester)
        require_form(asked)
        asked.number = normalize(request.number)
        owner = self._questions.owner_of(asked.number)
        return asked, None if owner == self._context.region else owner

    async def _ask(self, owner: str, action: str, query: VerificationQuery, attempts: int) -> bytes:
        asked = getattr(query, query.WhichOneof("query") or "")
        questioner = self._questions.questioner
        query.subject, query.role = questioner.subject(asked.request_id), questioner.role
        kind = EnvelopeKind.ENVELOPE_KIND_VERIFICATION
        return await self._questions.ask(owner, kind, action, query, attempts=attempts, alone=True)


def _not_home(moved: Moved) -> Refused:
    return Refused(Reason.REASON_NOT_HOME, region=moved.region)


def _with_mask(request: api.SendCodeRequest) -> api.SendCodeRequest:
    """The request with the mask of its other contact, whose number leaves this region for no other."""
    if not request.contact:
        return request
    masked = api.SendCodeRequest()
    masked.CopyFrom(request)
    masked.contact = mask_of(request.contact)
    return masked
