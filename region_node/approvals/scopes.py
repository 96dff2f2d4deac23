"""Setting the scope of an operator system: one person narrows, two widen. One transaction each."""

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct, OperatorScope
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.revocations import Revocations
from gateway.store.port import Transaction
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.approvals.scope_changes import Names, changed, require_known, told_change, widens
from region_node.node.operator_scopes import Scope
from region_node.node.stored_scopes import SCOPES, ScopeRow, message_of, read_scopes, stored_rows
from region_node.requests.auditing import AuditedCall


def scopes_in_force(tx: Transaction) -> list[OperatorScope]:
    """The scopes, by name. Raises Refused with OPERATORS_UNSCOPED."""
    scopes, _ = read_scopes(_require_rows(tx))
    return [message_of(name, scope) for name, scope in scopes.items()]


def set_scope(
    tx: Transaction, operator: str, scope: Scope | None, call: AuditedCall, known: Names, revocations: Revocations
) -> Awaited | None:
    """Stores another scope of an operator system; None removes it. The scope in force is not stored again.

    A widening waits until a second member of staff has confirmed each of its differences from the scope in force.
    Raises Refused with OPERATORS_UNSCOPED, and with REQUEST_INVALID for a name that the scope gains and that is not
    among the known ones.
    """
    before, _ = read_scopes(_require_rows(tx))
    after = changed(before, operator, scope)
    told = told_change(before, after, operator)
    if not told:
        return None
    if scope is not None:
        require_known(before, after, operator, known)
    confirmed = ""
    if widens(before, after, operator):
        act = Act(ApprovalAct.APPROVAL_ACT_WIDEN_OPERATOR_SCOPE, reference=told)
        approval = approval_of(tx, act, call, revocations)
        if isinstance(approval, Awaited):
            return approval
        use(tx, approval)
        confirmed = f", {approval.confirmation}"
    if scope is None:
        tx.remove(SCOPES, operator)
    else:
        tx.keep(SCOPES, ScopeRow.of(operator, scope))
    call.record(tx, "SetOperatorScope", operator, f"{told}{confirmed}")
    return None


def _require_rows(tx: Transaction) -> list[ScopeRow]:
    rows = stored_rows(tx)
    if rows is None:
        raise Refused(Reason.REASON_OPERATORS_UNSCOPED)
    return rows
