"""Legal holds across regions: whoever keeps something of a customer under a hold is told by the home region."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.clock import from_microseconds, to_microseconds, to_timestamp
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.business.orders.erasing import orders_about
from region_node.care.complaints.index_rows import indexed_about
from region_node.care.complaints.rows import complaints_about
from region_node.customers.documents.rows import document_subject, kept_of
from region_node.customers.rows import lines_of_customer
from region_node.lifecycle.erasure.elsewhere import kept_elsewhere
from region_node.lifecycle.retention.holds import held_customers, holds_of
from region_node.network.faults.rows import faults_about
from region_node.network.support.rows import support_requests_about
from region_node.node.context import RegionContext

HOLD_SUBJECTS = "legal-hold/"
"""What the subjects of these envelopes begin with: they are in no order with those about what is held."""
_LIFETIME = timedelta(days=3650)  # a hold is told however long the region was away


@dataclass(frozen=True, order=True)
class _Kept:
    """Something of a customer at a region."""

    region: str
    subject: str


@dataclass(frozen=True)
class _Told:
    version: int
    until: int | None


def tell_hold(tx: Transaction, context: RegionContext, customer_id: str, now: datetime) -> None:
    """Tells every region that keeps something of a customer until when, unless it knows.

    Where nothing holds any more, those are told that think so.
    """
    ends = [each.until for each in holds_of(tx, customer_id) if each.is_in_force(now)]
    # The longest of several counts; one without an end is the longest.
    known_ends = [each for each in ends if each is not None]
    longest = max(known_ends) if ends and len(known_ends) == len(ends) else None
    until = None if longest is None else to_microseconds(longest)
    for each in _kept_elsewhere(tx, context.region, customer_id):
        told = _told(tx, each.subject, each.region)
        if ends:
            tell_until(tx, context, each.region, each.subject, until, now)
        elif told is not None and (told.until is None or told.until > to_microseconds(now)):
            tell_until(tx, context, each.region, each.subject, to_microseconds(now), now)


def tell_holds(tx: Transaction, context: RegionContext, now: datetime) -> None:
    """As `tell_hold`, of all customers under a hold: of what has come to another region since."""
    for customer_id in sorted(held_customers(tx, now)):
        tell_hold(tx, context, customer_id, now)


def tell_until(
    tx: Transaction, context: RegionContext, region: str, subject: str, until: int | None, now: datetime
) -> None:
    """Tells a region until when an order, a complaint or a document is to be kept, unless it was told just that.

    `until` in microseconds, None for until it is released.
    """
    told = _told(tx, subject, region)
    if told is not None and told.until == until:
        return
    update = HoldUpdate(version=1 if told is None else told.version + 1)
    if until is not None:
        update.end_time.CopyFrom(to_timestamp(from_microseconds(until)))
    letter = Letter(
        envelope_id=f"{HOLD_SUBJECTS}{subject}#{update.version}>{region}",
        destination=region,
        kind=EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD,
        payload=update.SerializeToString(),
        subject=HOLD_SUBJECTS + subject,
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.border, letter, now=now, traceparent="")
    tx.execute(
        "INSERT INTO hold_tellings (subject, region, version, until) VALUES (:subject, :region, :version, :until)"
        " ON CONFLICT (subject, region) DO UPDATE SET version = excluded.version, until = excluded.until",
        subject=subject,
        region=region,
        version=update.version,
        until=until,
    )


def forget_telling(tx: Transaction, subject: str, region: str) -> None:
    """A region has not taken what it was told. Its version stays, so that the next word is another one."""
    tx.execute(
        "UPDATE hold_tellings SET until = 0 WHERE subject = :subject AND region = :region",
        subject=subject,
        region=region,
    )


def _kept_elsewhere(tx: Transaction, here: str, customer_id: str) -> Sequence[_Kept]:
    """What other regions keep of a customer, as far as this one knows: whom an erasure is told."""
    lines = lines_of_customer(tx, customer_id)
    orders = orders_about(tx, [line.number for line in lines], [line.product_id for line in lines])
    complaints = [each for line in lines for each in complaints_about(tx, line.number)]
    found = {_Kept(each.handling_region, each.order_id) for each in orders}
    found |= {_Kept(each.region, each.docket) for each in kept_elsewhere(tx, complaints)}
    found |= {_Kept(each.region, each.docket) for line in lines for each in indexed_about(tx, line.number)}
    found |= {_Kept(each.region, document_subject(each.register_id)) for each in kept_of(tx, customer_id)}
    for line in lines:
        for request in support_requests_about(tx, line.number):
            found |= {_Kept(region, request.support_id) for region in (request.opening_region, request.owner_region)}
        for fault in faults_about(tx, line.number):
            found |= {_Kept(region, fault.fault_id) for region in (fault.handling_region, fault.owner_region)}
    return sorted(each for each in found if each.region != here)


def _told(tx: Transaction, subject: str, region: str) -> _Told | None:
    return tx.first(
        _Told,
        "SELECT version, until FROM hold_tellings WHERE subject = :subject AND region = :region",
        subject=subject,
        region=region,
    )
