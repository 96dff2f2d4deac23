"""The opening region's handling of support requests: accepts them, forwards commands, stores the owner's versions."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.customers.known_statuses import require_takes_complaints, require_unrestricted
from region_node.network.support import notices, owner, rules
from region_node.network.support.rows import SUPPORT, SUPPORT_ROWS, SupportRow, facts
from region_node.network.support.sending import SUPPORT_MESSAGES, send_command
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note
from region_node.requests.rows import insert_request
from region_node.tickets.border import require_caught_up
from region_node.tickets.followed import known_request


def open_request(
    tx: Transaction,
    context: RegionContext,
    caller: Caller,
    inquiry: SupportInquiry,
    now: datetime,
    *,
    unmeasured: SupportInquiry | None = None,
) -> SupportRequest:
    """Accepts a support request. A repeated request returns its current state, whatever is measured by then.

    `unmeasured` is the original inquiry, where measurements were added to it. Raises Refused, also with
    REQUEST_ID_REUSED for the same id with other content.
    """
    content = inquiry if unmeasured is None else unmeasured
    key = caller.key(content.SerializeToString(deterministic=True) + (b"" if unmeasured is None else b"\0measure"))
    statuses = require_unrestricted(tx, inquiry.number)
    if (known := known_request(SUPPORT, tx, key)) is not None:
        return known
    finding = rules.at_fault(context.federation.network, inquiry)
    home = context.federation.number_plan.home_of(inquiry.number)
    require_takes_complaints(home, statuses)
    number, day = SUPPORT_ROWS.next_number(tx), now.astimezone(ZoneInfo(context.time_zone))
    request = SupportRequest(
        id=f"{context.region}/S{day:%Y%m%d}-{number}",
        inquiry=inquiry,
        origin_region=context.region,
        operator=caller.operator,
        owner_region=finding.region,
        home_region=home or "",
        finding=finding,
        create_time=to_timestamp(now),
    )
    author = f"{context.region}/{inquiry.staff_id}"
    rules.enter(request, rules.ACKNOWLEDGED, now=now, author=author, reason="")
    rules.require_room(request, 0, rules.OPENING_LIMIT)
    failpoints.reach("support-opened.before-commit")
    is_own = request.owner_region == context.region
    if is_own:
        owner.take(context, request)
    row = SupportRow(request, caller.traceparent)
    SUPPORT_ROWS.insert(tx, row, number, now)
    if is_own:
        SUPPORT_MESSAGES.send_updates(tx, context, row, now)
    else:
        asked = SupportCommand(support_request_id=request.id, staff_id=inquiry.staff_id, open=request)
        send_command(tx, context, row, f"{request.id}#open", asked, now)
    notices.tell_opened(tx, request, now)
    insert_request(tx, key, request.id, settled=True, now=now)
    note(tx, caller, "OpenSupportRequest", request.id, now)
    return request


def work(
    tx: Transaction, context: RegionContext, caller: Caller, asked: WorkOnSupportRequestRequest, now: datetime
) -> SupportRequest:
    """Executes a staff member's action once: here, or at the region at fault where that decides.

    Raises Refused; for a repeated request, the former refusal of the region at fault.
    """
    content = WorkOnSupportRequestRequest()
    content.CopyFrom(asked)
    content.ClearField("wait")
    key = caller.key(b"work\0" + content.SerializeToString(deterministic=True))
    request = find_for(tx, asked.support_request_id, caller.identity)
    if (known := known_request(SUPPORT, tx, key)) is not None:
        return known
    step, is_own = asked.WhichOneof("step"), request.owner_region == context.region
    if is_own:
        require_caught_up(context, tx, facts(request), now)
    command = _command_of(asked, caller.identity.name)
    is_opened_here = request.origin_region == context.region
    is_for_opener = step in rules.STEPS_OF_OPENER
    if not is_opened_here and (is_for_opener or not is_own):
        raise Refused(Reason.REASON_SUPPORT_NOT_OPENED_HERE, region=request.origin_region)
    if is_own and not is_for_opener:
        request = owner.work(tx, context, asked, caller.identity.name, now)
    elif command is None:
        raise Refused(Reason.REASON_SUPPORT_NOT_RESPONSIBLE, region=request.owner_region)
    elif is_own:
        request = owner.apply_command(tx, context, command, now)
    else:
        row = SupportRow(request, caller.traceparent)
        send_command(tx, context, row, f"{request.id}#{caller.operator}/{caller.request_id}", command, now)
    failpoints.reach("support-worked.before-commit")
    insert_request(tx, key, request.id, settled=is_own, now=now)
    note(tx, caller, "WorkOnSupportRequest", request.id, now)
    return request


def adopt(
    tx: Transaction, context: RegionContext, snapshot: SupportRequest, now: datetime, traceparent: str = ""
) -> None:
    """Stores a newer version of the region at fault.

    The home region learns of a support request by it. The border has checked that the row is readable or absent.
    """
    row = SUPPORT_ROWS.find(tx, snapshot.id)
    if row is None:
        SUPPORT_ROWS.insert(tx, SupportRow(snapshot, traceparent), 0, now)
        return
    request = SUPPORT.next_version(context.region, row.ticket, snapshot)
    if request is None:
        return
    if request.origin_region == context.region:
        notices.tell_changed(tx, row.ticket, request, now)
    SUPPORT_ROWS.update(tx, request, now)


def keep(tx: Transaction, context: RegionContext, row: SupportRow, why: str, now: datetime) -> None:
    """Keeps a support request here that the other region has refused. See `border.settle_filing`."""
    request, other = row.ticket, row.ticket.owner_region
    owner.take(context, request)
    rules.note(request, other, why[: rules.TEXT_LIMIT], now)
    SUPPORT_ROWS.update(tx, request, now)
    SUPPORT_MESSAGES.send_updates(tx, context, row, now)


def find_for(tx: Transaction, support_id: str, identity: Identity) -> SupportRequest:
    """The support request, for a permitted reader: staff of its regions, and its operator system.

    Raises Refused with SUPPORT_REQUEST_NOT_FOUND, also for other readers, and with CUSTOMER_RESTRICTED.
    """
    row = SUPPORT_ROWS.find(tx, support_id)
    is_staff = identity.role == Role.ROLE_STAFF
    if row is None or not (is_staff or _has_opened(row.ticket, identity)):
        raise Refused(Reason.REASON_SUPPORT_REQUEST_NOT_FOUND, request=support_id)
    require_unrestricted(tx, row.ticket.inquiry.number)
    return row.ticket


def _has_opened(request: SupportRequest, identity: Identity) -> bool:
    return (request.origin_region, request.operator) == (identity.region, identity.name)


def _command_of(asked: WorkOnSupportRequestRequest, staff_id: str) -> SupportCommand | None:
    """The command of the opening region to the region at fault.

    None for an action that only the region at fault may take.
    """
    command = SupportCommand(support_request_id=asked.support_request_id, staff_id=staff_id)
    match asked.WhichOneof("step"):
        case "note":
            command.note.text = asked.note
        case "close":
            command.close.SetInParent()
        case "reopen":
            command.reopen.reason = asked.reopen
        case _:
            return None
    return command
