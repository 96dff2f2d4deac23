"""The administrator behind a request that a coordinator brings: by a signature where this region verifies any."""

import re
from datetime import datetime

from gateway.api.region.v1.bulletin_oversight_service_pb2 import PublishForAdministratorRequest
from gateway.api.region.v1.case_service_pb2 import AssignComplaintRequest
from gateway.api.region.v1.complaint_oversight_service_pb2 import RaiseComplaintRequest, ReclassifyComplaintRequest
from gateway.api.region.v1.issue_oversight_service_pb2 import (
    AppointIssueOwnerRequest,
    OpenIssueForAdministratorRequest,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.acts import ProvenAct, proven_act
from gateway.federation.revisions import RevisionRefused
from gateway.rpc.calls import current_call
from region_node.node.context import RegionContext

_ADMINISTRATOR = re.compile(r"admin/[A-Za-z0-9._-]{1,64}", re.ASCII)


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
        raise Refused(Reason.REASON_ADMINISTRATOR_ACT_UNPROVEN, problem=str(refused)) from None
    name = f"admin/{found.administrator}"
    require_administrator(name)
    return ProvenAct(name, found.proof)


def require_administrator(name: str) -> None:
    """Raises Refused with REQUEST_INVALID unless a name is that of an administrator: `admin/<name>`."""
    if not _ADMINISTRATOR.fullmatch(name):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="administrator", problem="not admin/ and a name")
