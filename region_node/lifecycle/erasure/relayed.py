"""Erasure across regions: the home region reports it to every region with data of the customer."""

from datetime import datetime, timedelta

from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.errors import Refused, lasting
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer, OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from region_node.customers.erased_numbers import is_erased
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.of_numbers import forget_number, is_held, look_again
from region_node.lifecycle.registry import Registry
from region_node.node.context import RegionContext
from region_node.records.kinds import Elsewhere

ERASURE_TIMER = "erasure-told"  # an obstacle prevented it
_LIFETIME = timedelta(days=3650)  # the report of an erasure does not expire


def tell_region(tx: Transaction, context: RegionContext, kept: Elsewhere, now: datetime) -> None:
    """Has another region destroy its part of a record.

    Called after the destruction of this region's keys. It follows the earlier envelopes about the record.
    """
    if kept.region == context.region:
        return
    outgoing = OutgoingEnvelope(
        envelope_id=f"{kept.record_id}#erase>{kept.region}",
        destination=kept.region,
        kind=EnvelopeKind.ENVELOPE_KIND_ERASURE,
        payload=OrderErasure().SerializeToString(),
        subject=kept.record_id,
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.border, outgoing, now=now, traceparent=kept.traceparent)


class ErasureEnvelopes:
    """The kind of envelope by which a home region erases its customers' data in other regions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def kinds(self) -> Kinds:
        """The handler here, and that of its receipt."""
        return {EnvelopeKind.ENVELOPE_KIND_ERASURE: Command(self._erase, self._erased, is_repeatable=True)}

    def _erase(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Erases data here of the home region's erased customer; missing data is no error."""
        self._registry.context.border.require_known_revision(content)
        _erase_told(tx, self._registry, content.origin, content.subject, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _erased(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region has done it."""


def erasure_is_due(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Checks data again that a hold, or the home region's silence, has kept after another region's erasure.

    Raises Refused where it may succeed later.
    """
    origin, _, subject = timer.subject.partition(" ")
    try:
        _erase_told(tx, registry, origin, subject, now)
    except Refused as refused:
        lasting(refused)  # the data has another home since, or the customer continues: that region reports it itself


def _erase_told(tx: Transaction, registry: Registry, origin: str, subject: str, now: datetime) -> None:
    """Executes a region's report of an erased customer; under a hold, after its end. Raises Refused."""
    asked = (kind.erasure.told(tx, registry.context, origin, subject) for kind in registry.kinds)
    found = next((each for each in asked if each is not None), None)
    if found is None:
        return
    is_said_at_home = not found.number or is_erased(tx, registry.context, found.number, found.home)
    if not is_said_at_home or is_held(tx, registry, subject, found.index, now):
        look_again(tx, ERASURE_TIMER, f"{origin} {subject}", now)
        return
    if found.remove is not None:
        found.remove(tx)
    destroy(tx, registry, found.subjects, now)
    forget_number(tx, registry, origin, found.index, now)
    for each in found.elsewhere:
        tell_region(tx, registry.context, each, now)
