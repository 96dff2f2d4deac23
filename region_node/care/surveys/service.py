"""SurveyService: gRPC for surveys."""

import grpc

from gateway.api.region.v1 import survey_service_pb2 as api
from gateway.api.region.v1.survey_pb2 import Survey
from gateway.api.region.v1.survey_service_pb2_grpc import SurveyServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.process.tracing import current_traceparent
from gateway.rpc.element_counts import parsed
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from gateway.time.months import require_month
from region_node.care.surveys import inviting, operations, rows, rules
from region_node.care.surveys.occasions import require_occasion
from region_node.care.surveys.results import results
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import require_length, require_name
from region_node.requests.questions import Questions

_PAGE = "survey follow-ups"
_OUTCOME_LIMIT = 1_000  # characters
_MOST_PERCENT = 100


class SurveyService(SurveyServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._questions = questions
        self._clock = clock

    async def InviteToSurvey(
        self,
        request: api.InviteToSurveyRequest,
        context: grpc.aio.ServicerContext[api.InviteToSurveyRequest, api.InviteToSurveyResponse],
    ) -> api.InviteToSurveyResponse:
        """See the contract."""
        calling, traceparent = audited_call(request.requester, self._clock), current_traceparent()

        def invite(tx: Transaction) -> None:
            asked = require_occasion(tx, self._context.region, request.record_id)
            inviting.request(tx, self._context, asked, calling.now, traceparent)
            calling.record(tx, "InviteToSurvey", request.record_id)

        await self._store.write(invite)
        return api.InviteToSurveyResponse()

    async def AnswerSurvey(
        self,
        request: api.AnswerSurveyRequest,
        context: grpc.aio.ServicerContext[api.AnswerSurveyRequest, api.AnswerSurveyResponse],
    ) -> api.AnswerSurveyResponse:
        """See the contract."""
        calling = audited_call(request.requester, self._clock)
        rules.require_answer(request.answer)
        number = normalize(request.number) if request.number else ""
        owner = self._questions.owner_of(number) if number else self._context.region
        if owner != self._context.region:
            return await self._answer_abroad(owner, request, number, calling)

        def answer(tx: Transaction) -> None:
            survey = operations.answer(tx, self._context, request.token, request.answer, calling.now, number=number)
            calling.record(tx, "AnswerSurvey", survey.id)

        await self._store.write(answer)
        return api.AnswerSurveyResponse()

    async def _answer_abroad(
        self, owner: str, request: api.AnswerSurveyRequest, number: str, calling: AuditedCall
    ) -> api.AnswerSurveyResponse:
        """Asks the home region. Raises Refused as it does, and with REGION_UNREACHABLE."""
        asked = api.AnswerSurveyRequest()
        asked.CopyFrom(request)
        asked.number = number
        answer = await self._questions.ask(owner, EnvelopeKind.ENVELOPE_KIND_SURVEY_ANSWER, "AnswerSurvey", asked)
        await self._store.write(lambda tx: calling.record(tx, "AnswerSurvey", "-", f"by {owner}"))
        return parsed(api.AnswerSurveyResponse, answer)

    async def StartSurveyCampaign(
        self,
        request: api.StartSurveyCampaignRequest,
        context: grpc.aio.ServicerContext[api.StartSurveyCampaignRequest, api.StartSurveyCampaignResponse],
    ) -> api.StartSurveyCampaignResponse:
        """See the contract."""
        calling = audited_call(Requester(), self._clock)
        require_name("name", request.name)
        if not 1 <= request.percent <= _MOST_PERCENT:
            raise invalid("percent", f"it is not 1 to {_MOST_PERCENT}", f"须为1至{_MOST_PERCENT}")

        rules.policy_of(self._context.federation, self._context.region)  # without policies nobody is ever invited

        def start(tx: Transaction) -> None:
            inviting.start_campaign(tx, request.name, request.percent, calling.now)
            calling.record(tx, "StartSurveyCampaign", request.name, f"{request.percent} %")

        await self._store.write(start)
        return api.StartSurveyCampaignResponse()

    async def ListSurveyFollowUps(
        self,
        request: api.ListSurveyFollowUpsRequest,
        context: grpc.aio.ServicerContext[api.ListSurveyFollowUpsRequest, api.ListSurveyFollowUpsResponse],
    ) -> api.ListSurveyFollowUpsResponse:
        """See the contract."""
        calling, size = audited_call(Requester(), self._clock), page_size(request.page_size)
        after = dated_place(decode_token(_PAGE, request.page_token)) or (0, "")

        def read(tx: Transaction) -> list[Survey]:
            found = rows.open_follow_ups(tx, after, size + 1)
            calling.record(tx, "ListSurveyFollowUps", "-", f"{min(len(found), size)} read")
            return found

        page, token = first_page(_PAGE, await self._store.write(read), size, _place)
        surveys = [operations.mark_overdue(each, calling.now) for each in page]
        return api.ListSurveyFollowUpsResponse(surveys=surveys, next_page_token=token)

    async def FinishSurveyFollowUp(
        self,
        request: api.FinishSurveyFollowUpRequest,
        context: grpc.aio.ServicerContext[api.FinishSurveyFollowUpRequest, api.FinishSurveyFollowUpResponse],
    ) -> api.FinishSurveyFollowUpResponse:
        """See the contract."""
        calling = audited_call(Requester(), self._clock)
        require_length("outcome", request.outcome, _OUTCOME_LIMIT, required=True)

        def finish(tx: Transaction) -> Survey:
            found = operations.finish_follow_up(tx, request.survey_id, calling.staff_id, request.outcome, calling.now)
            calling.record(tx, "FinishSurveyFollowUp", found.id)
            return found

        return api.FinishSurveyFollowUpResponse(survey=await self._store.write(finish))

    async def GetSurveyResults(
        self,
        request: api.GetSurveyResultsRequest,
        context: grpc.aio.ServicerContext[api.GetSurveyResultsRequest, api.GetSurveyResultsResponse],
    ) -> api.GetSurveyResultsResponse:
        """See the contract."""
        first, last = request.first_month, request.last_month
        for field, month in (("first_month", first), ("last_month", last)):
            require_month(field, month)
        if last < first:
            raise invalid("last_month", "it lies before the first", "早于起始月份")
        policy = rules.policy_of(self._context.federation, self._context.region)
        rules.require_closed(last, self._context.time_zone, policy, self._clock.now())
        counts = await self._store.read(lambda tx: rows.counts_between(tx, first, last))
        return results(self._context.region, counts, policy.smallest_group)


def _place(survey: Survey) -> str:
    return dated_key(from_timestamp(survey.follow_up.due_time), survey.id)
