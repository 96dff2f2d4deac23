"""The administrator behind a request that a coordinator brings: by a signature where this region verifies any."""

import re
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.bulletin_oversight_service_pb2 import PublishForAdministratorRequest
from gateway.api.region.v1.case_service_pb2 import AssignComplaintRequest
from gateway.api.region.v1.complaint_oversight_service_pb2 import RaiseComplaintRequest, ReclassifyComplaintRequest
from gateway.api.region.v1.issue_oversight_service_pb2 import (
    AppointIssueOwnerRequest,
    OpenIssueForAdministratorRequest,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, problem_of
from gateway.federation.acts import VALID_FOR, ProvenAct, proven_act
from gateway.federation.revisions import RevisionRefused
from gateway.rpc.calls import current_call
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import BETWEEN_TRUSTED, to_microseconds
from region_node.node.context import RegionContext

_ADMINISTRATOR = re.compile(r"admin/[A-Za-z0-9._-]{1,64}", re.ASCII)


class _LastAct(NamedTuple):
    action: str
    subject: str
    sign_time: int


_LAST_ACTS = Table("administrator_acts", _LastAct, key=("action", "subject"))

Brought = (
    RaiseComplaintRequest
    | ReclassifyComplaintRequest
    | AssignComplaintRequest
    | OpenIssueForAdministratorRequest
    | AppointIssueOwnerRequest
    | PublishForAdministratorRequest
)
"""A request in the name of an administrator."""


def acting(context: RegionContext, request: Brought, now: datetime, *, is_anywhere: bool = False) -> ProvenAct:
    """The administrator of a request, as `admin/<name>`, and the proof for the audit row; empty where none is needed.

    `is_anywhere` is for an act on a record of which the coordinator finds the region that decides. Raises Refused with
    ADMINISTRATOR_ACT_UNSIGNED, ADMINISTRATOR_ACT_UNPROVEN or CLOCK_UNTRUSTED at a region with an anchor, and with
    REQUEST_INVALID.
    """
    chain = context.border.current.state().chain
    if chain is None:
        require_administrator(request.administrator)
        return ProvenAct(request.administrator, "")
    if not request.signed.act:
        raise Refused(Reason.REASON_ADMINISTRATOR_ACT_UNSIGNED)
    # By a wrong clock, an act that was kept back for years would be one of today.
    context.border.clock.require_trusted()
    region = "" if is_anywhere else context.region
    try:
        found = proven_act(request.signed, chain, current_call().method, region, request, now)
    except RevisionRefused as refused:
        raise Refused(Reason.REASON_ADMINISTRATOR_ACT_UNPROVEN, **problem_of(refused)) from None
    name = f"admin/{found.administrator}"
    require_administrator(name)
    return replace(found, administrator=name)


def require_in_order(tx: Transaction, act: ProvenAct, action: str, subject: str) -> None:
    """Raises Refused with ADMINISTRATOR_ACT_UNPROVEN where a later act of its kind on a record was done already.

    Otherwise a coordinator that keeps an act back undoes what administrators have decided since.
    """
    last = tx.find(_LAST_ACTS, action, subject)
    if act.sign_time_us and last is not None and act.sign_time_us < last.sign_time:
        early = RevisionRefused("it was signed before the last one on this record", "其签名早于对该记录的上一次操作")
        raise Refused(Reason.REASON_ADMINISTRATOR_ACT_UNPROVEN, **problem_of(early))


def note_act(tx: Transaction, act: ProvenAct, action: str, subject: str, now: datetime) -> None:
    """Stores the time of signing of an act that is done, and forgets those whose time alone refuses what is earlier."""
    if act.sign_time_us:
        oldest = now - VALID_FOR - BETWEEN_TRUSTED  # by the clock of another process an older act is taken
        tx.execute("DELETE FROM administrator_acts WHERE sign_time < :oldest", oldest=to_microseconds(oldest))
        tx.keep(_LAST_ACTS, _LastAct(action, subject, act.sign_time_us))


def require_administrator(name: str) -> None:
    """Raises Refused with REQUEST_INVALID unless a name is that of an administrator: `admin/<name>`."""
    if not _ADMINISTRATOR.fullmatch(name):
        raise invalid("administrator", "not admin/ and a name", "须为admin/加名称")
