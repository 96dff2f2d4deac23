"""Contact preferences of own customers and of those of other regions, by the same call."""

from gateway.api.region.v1.contact_envelopes_pb2 import ContactPreferencesQuery
from gateway.api.region.v1.customer_service_pb2 import ContactPreferences, SetContactPreferencesRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.federation.numberplan import normalize
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.customers import operations
from region_node.customers.contacts import merged, require_mask
from region_node.customers.moved_numbers import home_elsewhere
from region_node.customers.own_readings import OwnReadings
from region_node.customers.rows import find_line
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import require_request_id, require_size
from region_node.requests.questions import Questions


class ContactApplication:
    """Finds the home region, which decides."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._readings = OwnReadings(context, store)
        self._questions = questions
        self._clock = clock

    async def change(self, request: SetContactPreferencesRequest) -> ContactPreferences:
        """The preferences after the change.

        Raises Refused as the home region does, with REGION_UNREACHABLE where it does not answer.
        """
        call = audited_call(request.requester, self._clock)
        require_size(request.ByteSize())
        if request.documents:
            require_request_id(request.request_id)
        asked = SetContactPreferencesRequest()
        asked.CopyFrom(request)
        asked.number, asked.requester.staff_id = normalize(request.number), call.staff_id
        owner = await self._store.read(lambda tx: self._home_elsewhere(tx, asked.number))
        require_mask(asked.update_mask, is_named=owner is not None)
        if owner is None:
            return await self._readings.write(
                call.dealer, Shown("", asked.number), call.now, lambda tx: self._change(tx, asked, call)
            )
        return await self._ask(owner, asked, call)

    def _change(self, tx: Transaction, asked: SetContactPreferencesRequest, call: AuditedCall) -> ContactPreferences:
        return operations.change_preferences(tx, asked.number, lambda before: merged(before, asked), call)

    def _home_elsewhere(self, tx: Transaction, number: str) -> str | None:
        has_line = find_line(tx, number) is not None
        return home_elsewhere(tx, self._context.federation, self._context.region, number, has_line=has_line)

    async def _ask(self, owner: str, asked: SetContactPreferencesRequest, call: AuditedCall) -> ContactPreferences:
        query = ContactPreferencesQuery(request=asked, role=self._questions.questioner.role)
        action, kind = "SetContactPreferences", EnvelopeKind.ENVELOPE_KIND_CONTACT_PREFERENCES
        answer = await self._questions.ask(owner, kind, action, query)
        await self._store.write(lambda tx: call.record(tx, action, "-", f"by {owner}"))
        return parsed(ContactPreferences, answer)
