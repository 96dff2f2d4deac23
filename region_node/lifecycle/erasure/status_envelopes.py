"""The status of a customer, sent to every region, which adapts its data about the customer's numbers.

A region may have accepted or answered a complaint unknown to the home region. So all regions receive the status, and
each checks its own data.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer, OutgoingEnvelope
from gateway.relay.outbox import rows_about, send
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_microseconds
from region_node.customers.erased_numbers import is_erased
from region_node.customers.known_statuses import keep_known, statuses_of
from region_node.customers.status import ACTIVE, ERASED
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.indexes import forget_status_later
from region_node.lifecycle.erasure.of_numbers import forget_number, is_held, look_again
from region_node.lifecycle.erasure.rows import status_subject
from region_node.lifecycle.registry import Registry
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.node.subjects import customer_subject, number_index
from region_node.records.forgetting import forget_later
from region_node.records.kinds import RecordKind, look_at_ended

_LIFETIME = timedelta(days=3650)  # the report of an erasure does not expire


def send_status(
    tx: Transaction,
    context: RegionContext,
    key_id: str,
    numbers: Sequence[str],
    status: CustomerStatus.ValueType,
    now: datetime,
) -> None:
    """Sends the status of numbers' customer to every other region that ever joined, in order.

    `key_id` is that of the customer's key, which reveals nothing of the person and is unique to the customer.
    """
    if not key_id or not numbers:
        return
    payload = CustomerStatusNotice(numbers=sorted(set(numbers)), status=status).SerializeToString()
    state = context.border.current.state()
    regions = (each.id for each in context.federation.configuration.regions if each.id != context.region)
    told = sorted(each for each in regions if state.member_state(each) != MemberState.MEMBER_STATE_ABSENT)
    subjects = {region: status_subject(key_id, region) for region in told}
    # Before the first envelope: a later statement would write that one, and so end its shared signature.
    earlier = {region: len(rows_about(tx, subject)) for region, subject in subjects.items()}
    for region, subject in subjects.items():
        outgoing = OutgoingEnvelope(
            envelope_id=f"{subject}#{earlier[region]}-{to_microseconds(now)}",
            destination=region,
            kind=EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS,
            payload=payload,
            subject=subject,
            operator="",
            lifetime=_LIFETIME,
            bulk=True,
        )
        send(tx, context.border, outgoing, now=now, traceparent="")


def customer_key(tx: Transaction, customer_id: str) -> str:
    """The id of a customer's key; empty where nothing of the customer is sealed."""
    return next(iter(vault.key_ids_of(tx, [customer_subject(customer_id)])), "")


class CustomerStatusEnvelopes:
    """The kind of envelope by which home regions send the status of their customers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def kinds(self) -> Kinds:
        """The handler here, and that of its receipt."""
        status = Command(self._told, self._answered, is_soon_forgotten=True)
        return {EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS: status}

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles another region's status of its own customers; other numbers are ignored.

        A region whose number has moved reports on records from its time as home, and withdraws its own reports.
        """
        told = received(CustomerStatusNotice, content.payload)
        self._registry.context.border.require_known_revision(content)
        said = [each for each in told.numbers if self._may_say(tx, each, content.origin, told.status)]
        if told.numbers and not said:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        for number in said:
            keep_known(tx, number, content.origin, told.status)
            if told.status != ERASED:
                continue
            forget_status_later(tx, content.origin, number_index(tx, number), now)
            for kind in self._registry.kinds:
                for each in kind.erasure.about(tx, number):
                    look_at_ended(tx, kind.name, each.record_id, now)
            if self._home_of(number) == content.origin:
                forget_number(tx, self._registry, content.origin, number_index(tx, number), now)
        forget_later(tx, content.subject, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _home_of(self, number: str) -> str | None:
        return self._registry.context.federation.number_plan.home_of(number)

    def _may_say(self, tx: Transaction, number: str, origin: str, status: CustomerStatus.ValueType) -> bool:
        if self._home_of(number) == origin:
            return True
        if status == ERASED:
            filed = (each for kind in self._registry.kinds for each in kind.erasure.about(tx, number))
            return any(each.home == origin for each in filed)
        return status == ACTIVE and any(each.region == origin for each in statuses_of(tx, [number]))

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        forget_later(tx, content.subject, now)


def record_has_ended(tx: Transaction, registry: Registry, kind: RecordKind, timer: Timer, now: datetime) -> None:
    """Destroys the keys of an ended record, with its dependent data, if its customer was erased at home.

    Its envelopes are forgotten after their receipts, which need the key.
    """
    ended = kind.erasure.ended(tx, timer.subject)
    if ended is None or not is_erased(tx, registry.context, ended.number, ended.home):
        return
    index = number_index(tx, ended.number)
    if any(is_held(tx, registry, each, index, now) for each in ended.record_ids):
        look_again(tx, timer.kind, timer.subject, now)
        return
    destroy(tx, registry, ended.subjects, now)
    home = registry.context.federation.number_plan.home_of(ended.number)
    if home is not None and is_erased(tx, registry.context, ended.number):
        forget_number(tx, registry, home, index, now)
    forget_later(tx, ended.case, now)


def forget_envelopes(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Destroys the envelope keys of a subject, and of a whole case, unless an envelope waits for its receipt."""
    subjects = {timer.subject}.union(*(kind.erasure.case(tx, timer.subject) for kind in registry.kinds))
    waiting = "SELECT 1 FROM outbox WHERE subject = :subject AND closed IS NULL"
    if any(tx.first(int, waiting, subject=each) for each in subjects):
        forget_later(tx, timer.subject, now)
        return
    destroy(tx, registry, sorted(envelope_subject(each) for each in subjects), now)
