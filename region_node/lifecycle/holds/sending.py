"""Legal holds across regions: the home region sends them to every region with data of the customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, microseconds_or_none, to_microseconds, to_timestamp
from region_node.lifecycle.customers import customer_of
from region_node.lifecycle.holds.operations import held_customers, holds_of
from region_node.lifecycle.registry import Registry
from region_node.node.context import RegionContext

HOLD_SUBJECTS = "legal-hold/"
"""The prefix of these envelopes' subjects: they are independent of the order of other envelopes about a record."""
_LIFETIME = timedelta(days=3650)  # the hold counts however long the region was away


@dataclass(frozen=True)
class _LastSent:
    version: int
    until: int | None


def send_hold(tx: Transaction, registry: Registry, customer_id: str, now: datetime) -> None:
    """Sends the end of a customer's holds to every region with data of the customer, unless known there.

    After the last hold, regions with a hold receive its release.
    """
    ends = [each.until for each in holds_of(tx, customer_id) if each.is_in_force(now)]
    # The longest of several counts; one without an end is the longest.
    known_ends = [each for each in ends if each is not None]
    longest = max(known_ends) if ends and len(known_ends) == len(ends) else None
    until = microseconds_or_none(longest)
    for region, record_id in _kept_elsewhere(tx, registry, customer_id):
        last = _last_sent(tx, record_id, region)
        if ends:
            send_hold_end(tx, registry.context, region, record_id, until, now)
        elif last is not None and (last.until is None or last.until > to_microseconds(now)):
            send_hold_end(tx, registry.context, region, record_id, to_microseconds(now), now)


def send_holds(tx: Transaction, registry: Registry, now: datetime) -> None:
    """As `send_hold`, for all customers under a hold: includes regions with new data."""
    for customer_id in sorted(held_customers(tx, now)):
        send_hold(tx, registry, customer_id, now)


def send_hold_end(
    tx: Transaction, context: RegionContext, region: str, subject: str, until: int | None, now: datetime
) -> None:
    """Sends the end of a record's hold to a region, unless that was its last message.

    `until` in microseconds, None for a hold without an end.
    """
    last = _last_sent(tx, subject, region)
    if last is not None and last.until == until:
        return
    update = HoldUpdate(version=1 if last is None else last.version + 1)
    if until is not None:
        update.end_time.CopyFrom(to_timestamp(from_microseconds(until)))
    outgoing = OutgoingEnvelope(
        envelope_id=f"{HOLD_SUBJECTS}{subject}#{update.version}>{region}",
        destination=region,
        kind=EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD,
        payload=update.SerializeToString(),
        subject=HOLD_SUBJECTS + subject,
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.border, outgoing, now=now, traceparent="")
    tx.execute(
        "INSERT INTO hold_notices (subject, region, version, until) VALUES (:subject, :region, :version, :until)"
        " ON CONFLICT (subject, region) DO UPDATE SET version = excluded.version, until = excluded.until",
        subject=subject,
        region=region,
        version=update.version,
        until=until,
    )


def forget_notice(tx: Transaction, subject: str, region: str) -> None:
    """Notes a region's refusal. The version stays, so that the next message has another one."""
    tx.execute(
        "UPDATE hold_notices SET until = 0 WHERE subject = :subject AND region = :region",
        subject=subject,
        region=region,
    )


def _kept_elsewhere(tx: Transaction, registry: Registry, customer_id: str) -> Sequence[tuple[str, str]]:
    """Other regions' data of a customer, as far as known here: the region and the id of each record."""
    customer = customer_of(tx, registry.context, customer_id)
    found = {
        (region, kept.record_id)
        for kind in registry.kinds
        for kept in kind.erasure.kept_of(tx, customer)
        for region in kept.regions
    }
    return sorted(each for each in found if each[0] != registry.context.region)


def _last_sent(tx: Transaction, subject: str, region: str) -> _LastSent | None:
    return tx.first(
        _LastSent,
        "SELECT version, until FROM hold_notices WHERE subject = :subject AND region = :region",
        subject=subject,
        region=region,
    )
