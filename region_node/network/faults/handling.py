"""The origin region's handling of its faults: accepts them, forwards commands, stores the owner's versions.

It is the customer's contact to the end, wherever the fault is. The home region of the number follows as well.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.customers.known_statuses import require_takes_complaints, require_unrestricted
from region_node.network.faults import notices, outages, owner, places, rules
from region_node.network.faults.following import followed
from region_node.network.faults.of_alarms import completed, raised_by_alarm
from region_node.network.faults.rows import (
    FAULT,
    NUMBERS,
    FaultRow,
    find_fault,
    insert_fault,
    next_fault_number,
    update_fault,
)
from region_node.network.faults.sending import send_to_owner
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Submitter, note
from region_node.requests.rows import insert_request
from region_node.tickets.followed import known_request


def report(tx: Transaction, context: RegionContext, caller: Submitter, reported: FaultReport, now: datetime) -> Fault:
    """Accepts a fault, and notifies the customer. A repeated request returns the fault in its current state.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    key = caller.key(reported.SerializeToString(deterministic=True))
    statuses = require_unrestricted(tx, reported.number) if reported.number else ()
    if (known := known_request(FAULT, tx, key)) is not None:
        return known
    settled = completed(tx, context.federation.network, reported)
    rules.require_report(settled)
    places.settle(context.federation, settled)
    home = context.federation.number_plan.home_of(settled.number) if settled.number else None
    if settled.number:
        require_takes_complaints(home, statuses)
    number = next_fault_number(tx)
    fault = _new_fault(context, caller, settled, home or "", number, now)
    row = FaultRow(fault, caller.traceparent)
    raised_by_alarm(tx, context, fault, now)
    failpoints.reach("fault-reported.before-commit")
    is_own = fault.owner_region == context.region
    if is_own:
        owner.take_up(context, fault, now)
    insert_fault(tx, row, number, now)
    if is_own:
        owner.taken_up(tx, context, row, now)
    else:
        owner.watch(tx, context, fault)
        send_to_owner(tx, context, row, f"{fault.id}#report", FaultFiling(fault=fault), now)
    notices.tell_reported(tx, context, fault, now)
    insert_request(tx, key, fault.id, settled=True, now=now)
    note(tx, caller, "ReportFault", fault.id, now)
    return fault


def take_in_again(tx: Transaction, context: RegionContext, row: FaultRow, now: datetime) -> None:
    """Stores a fault again that this region had reported to its owner, and lost: as it was reported."""
    NUMBERS.restored(tx, row.fault.id, lambda number: insert_fault(tx, row, number, now))
    owner.watch(tx, context, row.fault)


def command(tx: Transaction, context: RegionContext, caller: Caller, asked: FaultCommand, now: datetime) -> Fault:
    """Executes the customer's command on a fault reported here.

    Raises Refused; for a repeated request, the owner region's former refusal.
    """
    key = caller.key(asked.SerializeToString(deterministic=True))
    require_readable(tx, asked.fault_id)
    if (known := known_request(FAULT, tx, key)) is not None:
        return known
    fault = find_for(tx, asked.fault_id, caller.identity)
    if fault.origin_region != context.region:
        raise Refused(Reason.REASON_FAULT_NOT_REPORTED_HERE, region=fault.origin_region)
    is_own = fault.owner_region == context.region
    if is_own:
        fault = owner.apply_command(tx, context, asked, now)
    else:
        row = FaultRow(fault, caller.traceparent)
        send_to_owner(tx, context, row, f"{fault.id}#{caller.operator}/{caller.request_id}", asked, now)
    insert_request(tx, key, fault.id, settled=is_own, now=now)
    note(tx, caller, asked.WhichOneof("command") or "", fault.id, now)
    return fault


def adopt(
    tx: Transaction,
    context: RegionContext,
    snapshot: Fault,
    traceparent: str,
    now: datetime,
    signed: FaultWaived | None = None,
) -> Fault:
    """Stores the owner region's version of a fault; returns the fault as stored here.

    `signed` is the rent that this region has given back before, and has lost.

    The home region learns of a fault by it. The border has checked that the row is readable or absent.
    """
    row = find_fault(tx, snapshot.id)
    if row is None:
        adopted = FaultRow(FAULT.copy(snapshot), traceparent)
        followed(tx, context, Fault(), adopted, now, signed)
        insert_fault(tx, adopted, 0, now)
        return adopted.fault
    following = FAULT.next_version(context.region, row.fault, snapshot)
    if following is None:
        return row.fault
    following.home_region = home_of(context, row.fault, snapshot)
    followed(tx, context, row.fault, FaultRow(following, row.traceparent), now, signed)
    if following.origin_region == context.region:
        owner.watch(tx, context, following)
    update_fault(tx, following, now)
    return following


def home_of(context: RegionContext, known: Fault, snapshot: Fault) -> str:
    """The home region, which only the owner region's first version may change.

    Where the number moves between the report and its arrival, both regions use different plans. Only one region may act
    as the home region: the recipient of the owner's versions. None becomes it by another region's message.
    """
    told, number = snapshot.home_region, known.report.number
    if known.version or not number:
        return known.home_region
    is_own = told != context.region or context.federation.number_plan.home_of(number) == context.region
    return told if is_own else known.home_region


def keep(tx: Transaction, context: RegionContext, row: FaultRow, why: str, now: datetime) -> None:
    """Keeps a fault here that the other region has refused. See `border.settle_filing`."""
    fault, other = row.fault, row.fault.owner_region
    owner.take_up(context, fault, now)
    rules.note(fault, other, why[: rules.TEXT_LIMIT], now)
    update_fault(tx, fault, now)
    owner.taken_up(tx, context, row, now)


def find_for(tx: Transaction, fault_id: str, identity: Identity) -> Fault:
    """The fault, for a permitted reader.

    Raises Refused with FAULT_NOT_FOUND, also for other readers, and with CUSTOMER_RESTRICTED.
    """
    row = find_fault(tx, fault_id)
    if row is None or not is_visible(row.fault, identity):
        raise Refused(Reason.REASON_FAULT_NOT_FOUND, fault=fault_id)
    _require_unrestricted(tx, row.fault)
    return row.fault


def require_readable(tx: Transaction, fault_id: str) -> None:
    """Raises Refused with CUSTOMER_RESTRICTED where the customer of a fault is stored and nothing else."""
    row = find_fault(tx, fault_id)
    if row is not None:
        _require_unrestricted(tx, row.fault)


def is_visible(fault: Fault, identity: Identity) -> bool:
    """Visible to the reporting operator, to staff of the origin, and to everybody in the owner's and the home
    region.
    """
    if identity.region in (fault.owner_region, fault.home_region):
        return True
    is_own = identity.role == Role.ROLE_STAFF or fault.operator == identity.name
    return fault.origin_region == identity.region and is_own


def _new_fault(
    context: RegionContext, caller: Submitter, reported: FaultReport, home: str, number: int, now: datetime
) -> Fault:
    """The reported fault, with the limit that the customer is promised."""
    day = now.astimezone(ZoneInfo(context.time_zone))
    fault = Fault(
        id=f"{context.region}/F{day:%Y%m%d}-{number}",
        report=reported,
        origin_region=context.region,
        operator=caller.operator,
        home_region=home,
        owner_region=reported.place.region,
        severity=reported.severity or rules.MINOR,
        terminal_caused=reported.terminal_caused,
        create_time=to_timestamp(now),
    )
    rules.enter(fault, rules.ACKNOWLEDGED, now=now, region=context.region, reason="reported")
    outages.set_first(context.federation, fault)
    owner.expect(fault)
    return fault


def _require_unrestricted(tx: Transaction, fault: Fault) -> None:
    if fault.report.number:
        require_unrestricted(tx, fault.report.number)
