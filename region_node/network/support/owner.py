"""The decisions of the region at fault on a support request. One transaction each.

Every Refused comes before the first write.
"""

from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.store.port import Transaction
from region_node.network.support import notices, rules
from region_node.network.support.rows import SUPPORT_ROWS, SupportRow
from region_node.network.support.sending import SUPPORT_MESSAGES
from region_node.node.context import RegionContext


def take(context: RegionContext, request: SupportRequest) -> None:
    """Makes this region the owner. `request` is changed in place; the caller stores it."""
    request.owner_region = context.region
    request.version = 1


def apply_command(tx: Transaction, context: RegionContext, asked: SupportCommand, now: datetime) -> SupportRequest:
    """Executes a command of the opening region's staff. Raises Refused before the first write."""
    row = SUPPORT_ROWS.require(tx, asked.support_request_id)
    request = row.ticket
    author = f"{request.origin_region}/{asked.staff_id}"
    match asked.WhichOneof("command"):
        case "note":
            rules.note(request, author, asked.note.text, now)
        case "close":
            rules.require_state(request, "close")
            rules.enter(request, rules.CLOSED, now=now, author=author, reason="")
        case "reopen":
            rules.require_state(request, "reopen")
            reason = asked.reopen.reason
            rules.require_room(request, len(reason.encode()))
            rules.enter(request, rules.IN_PROGRESS, now=now, author=author, reason=reason)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    _keep(tx, request, now)
    # The opening region gets it by the answer to its command.
    SUPPORT_MESSAGES.send_updates(tx, context, row, now, informed=(request.origin_region,))
    return request


def work(
    tx: Transaction, context: RegionContext, asked: WorkOnSupportRequestRequest, staff_id: str, now: datetime
) -> SupportRequest:
    """Executes an action of this region's staff, and updates the followers. Raises Refused before the first write."""
    row = require_owned(tx, context, asked.support_request_id)
    request, author, before = row.ticket, f"{context.region}/{staff_id}", SupportRequest()
    before.CopyFrom(request)
    match asked.WhichOneof("step"):
        case "note":
            rules.note(request, author, asked.note, now)
        case "take_up":
            rules.require_state(request, "take_up")
            rules.enter(request, rules.IN_PROGRESS, now=now, author=author, reason="")
        case "resolve":
            rules.require_state(request, "resolve")
            rules.require_room(request, len(asked.resolve.encode()), rules.REQUEST_LIMIT)
            request.resolution = asked.resolve
            rules.enter(request, rules.RESOLVED, now=now, author=author, reason="")
        case _:
            raise invalid("step", "none is set", "未指定任何一项")
    _keep(tx, request, now)
    if request.origin_region == context.region:
        notices.tell_changed(tx, before, request, now)
    SUPPORT_MESSAGES.send_updates(tx, context, row, now)
    return request


def require_owned(tx: Transaction, context: RegionContext, support_id: str) -> SupportRow:
    """A support request that is here.

    Raises Refused with SUPPORT_REQUEST_NOT_FOUND, SUPPORT_NOT_RESPONSIBLE.
    """
    row = SUPPORT_ROWS.require(tx, support_id)
    if row.ticket.owner_region != context.region or not row.ticket.version:
        raise Refused(Reason.REASON_SUPPORT_NOT_RESPONSIBLE, region=row.ticket.owner_region)
    return row


def _keep(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    request.version += 1
    SUPPORT_ROWS.update(tx, request, now)
