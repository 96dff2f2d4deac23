"""A fault that one of two regions has lost is stored once more, with its parts, its credits and their money.

The evidence is what that region itself has signed. The owner has signed its versions. The origin has signed its report,
and each follower the receipts of versions: their digests tell which ones. The receipts of the home region name the rent
that it has given back. An owner takes its own last word back. A follower takes the owner's present version, as far as
it is of the same fault.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.api.region.v1.fault_envelopes_pb2 import FaultFiling, FaultUpdate, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.business.reconciliation.evidence import (
    Word,
    content_of,
    impossible,
    not_proven,
    own_word,
    words_of,
)
from region_node.business.reconciliation.port import Act, Restoring
from region_node.customers.accounts import ledger
from region_node.network.faults import charging, handling, owner, regional, rules, waiver
from region_node.network.faults.regional import fault_of
from region_node.network.faults.rows import (
    FAULT,
    FAULT_RECORDS,
    NUMBERS,
    FaultRow,
    find_fault,
    insert_fault,
)
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border

_LOST_VERSIONS: Final = 1000  # more than a fault has, so that no version is told twice with different content
_REPORTED = EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED
_COMMAND = EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND
_UPDATE = EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE


@dataclass(frozen=True)
class Signed:
    """A version of a fault that a region has signed, and the rent that it has given back by it."""

    fault: Fault = field(repr=False)
    waived: FaultWaived = field(repr=False)
    traceparent: str


_SENT: Final[Mapping[EnvelopeKind.ValueType, Callable[[bytes], Fault]]] = {
    _REPORTED: lambda payload: parse(FaultFiling, payload).fault,
    _UPDATE: lambda payload: parse(FaultUpdate, payload).fault,
}


def signed_by(word: Word, told: RepairEvidence) -> Signed | None:
    """The fault in a word of a region; None where it has none."""
    try:
        content = content_of(word, told)
        if content is None:
            return None
        if isinstance(word, EnvelopeContent):
            read = _SENT.get(content.kind)
            return None if read is None else Signed(read(content.payload), FaultWaived(), content.traceparent)
        if content.kind == _UPDATE:
            fault = parse(FaultUpdate, content.payload).fault
            return Signed(fault, parse(FaultWaived, word.result), content.traceparent)
        if content.kind in (_REPORTED, _COMMAND):
            return Signed(parse(Fault, word.result), FaultWaived(), content.traceparent)
    except Refused:
        return None
    return None


def last_signed(
    tx: Transaction, act: Act, proves: Callable[[Signed], bool] = lambda signed: True
) -> tuple[RepairEvidence, Signed]:
    """The latest version of a fault that the other region has signed, of those that prove a record.

    Raises Refused with RECORD_NOT_PROVEN.
    """
    found = [each for each in signed_about(tx, act) if proves(each[1])]
    if not found:
        raise not_proven(act.there, act)
    return max(found, key=lambda each: each[1].fault.version)


def own_signed(context: RegionContext, act: Act, told: RepairEvidence) -> Signed:
    """The fault of a record as this region has signed it. Raises Refused with RECORD_NOT_PROVEN."""
    signed = signed_by(own_word(context, act, told), told)
    if signed is None or signed.fault.id != fault_of(act.serial):
        raise not_proven(context.region, act)
    return signed


def signed_about(tx: Transaction, act: Act) -> Iterator[tuple[RepairEvidence, Signed]]:
    """All that the other region has signed of the fault of a record, as far as it is kept here."""
    for told, word in words_of(tx, act.there, fault_of(act.serial), with_answered=True):
        signed = signed_by(word, told)
        if signed is not None and signed.fault.id == fault_of(act.serial):
            yield told, signed


def _evidence(tx: Transaction, context: RegionContext, act: Act) -> RepairEvidence:
    row = find_fault(tx, fault_of(act.serial))
    if row is None or not _is_pair(row.fault, context.region, act.there):
        raise impossible(context, act)
    told, signed = last_signed(tx, act)
    if row.fault.owner_region == context.region and signed.fault.version != row.fault.version:
        is_home = row.fault.home_region == act.there
        present = row.fault if is_home else waiver.without_amounts(row.fault)
        told.record = present.SerializeToString()
    return told


def _restore(tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime) -> None:
    signed = own_signed(context, act, told)
    if not _is_pair(signed.fault, context.region, act.there):
        raise not_proven(context.region, act)
    if signed.fault.owner_region == context.region:
        _own_again(tx, context, act, signed, now)
    else:
        _follow_again(tx, context, act, signed, told.record, now)


def _own_again(tx: Transaction, context: RegionContext, act: Act, signed: Signed, now: datetime) -> None:
    """The owner takes its last version back, and tells its followers. Later ones, of which nobody tells, are lost."""
    if FAULT_RECORDS.is_known(tx, signed.fault.id):
        raise impossible(context, act)
    fault, is_home = FAULT.copy(signed.fault), signed.fault.home_region == context.region
    _require_record(context, act, fault)
    noted = FaultWaived()
    for number, outage in enumerate(fault.outages):
        if outage.HasField("waiver"):
            noted.waived.add(outage=number).waiver.time.CopyFrom(outage.waiver.time)
    amounts = waiver.given(tx, context, act, fault, noted) if is_home else {}
    charges = charging.lost(tx, context, act, fault) if is_home else ()
    fault.version += _LOST_VERSIONS
    row = FaultRow(fault, signed.traceparent)
    waiver.give_again(tx, context, row, amounts, now)
    ledger.post_all(tx, charges, context.currency, now)
    _settle(tx, context, row, now)
    _insert(tx, context, row, now)
    owner.taken_up(tx, context, row, now)


def _follow_again(
    tx: Transaction, context: RegionContext, act: Act, signed: Signed, record: bytes, now: datetime
) -> None:
    """A follower stores the owner's present version once more, and books what it has given back by its signature."""
    told = received(Fault, record) if record else signed.fault
    is_same = (told.id, told.owner_region, told.create_time) == (signed.fault.id, act.there, signed.fault.create_time)
    if not is_same or told.version < max(1, signed.fault.version):
        raise not_proven(context.region, act)
    border.require_possible(FAULT, told, now)
    fault = FAULT.copy(FAULT.merged(signed.fault, told))
    fault.home_region = handling.home_of(context, signed.fault, told)
    known = FAULT_RECORDS.read(tx, fault.id)
    following = fault if known is None else FAULT.next_version(context.region, known, fault)
    if following is None or (known is None and FAULT_RECORDS.is_known(tx, fault.id)):
        raise impossible(context, act)
    fault = following
    waiver.take_over(fault, signed.waived)
    _require_record(context, act, fault)
    is_home = fault.home_region == context.region
    amounts = waiver.given(tx, context, act, fault, signed.waived) if is_home else {}
    row = FaultRow(fault, signed.traceparent)
    waiver.give_again(tx, context, row, amounts, now)
    if known is not None:
        handling.adopt(tx, context, fault, signed.traceparent, now)
        return
    _settle(tx, context, row, now)
    _insert(tx, context, row, now)
    if fault.origin_region == context.region:
        owner.watch(tx, context, fault)


def _require_record(context: RegionContext, act: Act, fault: Fault) -> None:
    """Requires a version to have the record that is lost: an earlier one is another. Raises as `own_signed`."""
    closed = [fault.id] if fault.state == rules.CLOSED else []
    put_in = [regional.part_serial(fault.id, each.number) for each in fault.repair.parts]
    waived = [number for number, each in enumerate(fault.outages) if each.HasField("waiver")]
    if act.serial not in (*closed, *put_in, *(regional.rent_serial(fault.id, each) for each in waived)):
        raise not_proven(context.region, act)


def _settle(tx: Transaction, context: RegionContext, row: FaultRow, now: datetime) -> None:
    """What follows from a version by the rules, and is not there yet: amounts in the fault, debts of parts."""
    if row.fault.home_region == context.region:
        waiver.settle(tx, context, row, now)
    regional.settle_parts(tx, context, row.fault, now)


def _is_pair(fault: Fault, here: str, there: str) -> bool:
    """Whether one of two regions owns a fault that the other one follows."""
    followers = (fault.origin_region, fault.home_region)
    return here != there and (fault.owner_region, True) in ((here, there in followers), (there, here in followers))


def _insert(tx: Transaction, context: RegionContext, row: FaultRow, now: datetime) -> None:
    """Adds a fault, with its number where this region has taken it in."""
    if row.fault.origin_region == context.region:
        NUMBERS.restored(tx, row.fault.id, lambda number: insert_fault(tx, row, number, now))
    else:
        insert_fault(tx, row, 0, now)


FAULT_RESTORING = Restoring(_evidence, _restore, fault_of)
"""Faults, with their parts and credits."""
