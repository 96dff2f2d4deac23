"""Profiles of own customers and of those of other regions, by the same call."""

from gateway.api.region.v1.customer_service_pb2 import Profile, QueryProfileRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.relay.border import Moved
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.customers.own_readings import OwnReadings
from region_node.customers.profiles import read_profile
from region_node.customers.verification.rules import Shown
from region_node.customers.verified import QRY_PROFILE
from region_node.node.context import RegionContext
from region_node.requests.checks import require_request_id, require_requester, require_size
from region_node.requests.dealings import Dealer
from region_node.requests.questions import Questions


class ProfileApplication:
    """Finds the home region and queries it."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._readings = OwnReadings(context, store)
        self._questions = questions
        self._clock = clock

    async def query(self, request: QueryProfileRequest) -> Profile:
        """The profile. Raises Refused as the home region does, with REGION_UNREACHABLE where it does not answer."""
        require_request_id(request.request_id)
        require_requester(request.requester)
        require_size(request.ByteSize())
        asked = QueryProfileRequest()
        asked.CopyFrom(request)
        asked.number = normalize(request.number)
        owner = self._questions.owner_of(asked.number)
        if owner != self._context.region:
            return parsed(Profile, await self._ask(owner, asked))
        questioner, now = self._questions.questioner, self._clock.now()
        dealer = Dealer(questioner.region, questioner.caller, asked.requester.staff_id)
        shown = Shown(questioner.subject(asked.request_id), asked.number, asked.documents)
        try:
            return await self._readings.write(
                dealer, shown, now, lambda tx: read_profile(tx, self._context, asked, questioner, now)
            )
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None

    async def _ask(self, owner: str, asked: QueryProfileRequest) -> bytes:
        business = self._context.federation.business(QRY_PROFILE)
        kind, lifetime = EnvelopeKind.ENVELOPE_KIND_PROFILE_QUERY, business.executable_within.ToTimedelta()
        return await self._questions.ask(owner, kind, QRY_PROFILE, asked, lifetime=lifetime)
