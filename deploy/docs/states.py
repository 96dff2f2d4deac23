"""State diagrams: the `TRANSITIONS` of each kind of record as Mermaid, between markers in the pages of docs/.

A marker is a line `<!-- states: NAME -->`; the block that it begins ends with the line `<!-- end -->`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

from region_node.approvals import rules as approval_rules
from region_node.business.joint import rules as joint_item_rules
from region_node.business.joint import saga as joint_saga
from region_node.business.orders import rules as order_rules
from region_node.care.complaints import rules as complaint_rules
from region_node.care.issues import rules as issue_rules
from region_node.care.loans import rules as loan_rules
from region_node.network.faults import rules as fault_rules
from region_node.network.support import rules as support_rules

S = TypeVar("S", bound=int)

_BLOCK = re.compile(r"(<!-- states: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def diagrams() -> Mapping[str, str]:
    """The Mermaid block of each kind of record, by the name that a marker gives it."""
    return {
        "order": _diagram(order_rules.TRANSITIONS, order_rules.state_name),
        "order-intake": _diagram(order_rules.INTAKE_TRANSITIONS, order_rules.state_name),
        "complaint": _diagram(complaint_rules.TRANSITIONS, complaint_rules.state_name),
        "fault": _diagram(fault_rules.TRANSITIONS, fault_rules.state_name),
        "approval": _diagram(approval_rules.TRANSITIONS, approval_rules.state_name),
        "joint-order": _diagram(joint_saga.TRANSITIONS, joint_saga.state_name),
        "joint-item": _diagram(joint_item_rules.TRANSITIONS, joint_item_rules.state_name),
        "support": _diagram(support_rules.TRANSITIONS, support_rules.state_name),
        "loan": _diagram(loan_rules.TRANSITIONS, loan_rules.state_name),
        "issue": _diagram(issue_rules.TRANSITIONS, issue_rules.state_name),
    }


def with_diagrams(page: str, blocks: Mapping[str, str]) -> str:
    """The page with the present diagram at each marker. Raises KeyError for a marker with an unknown name."""
    return _BLOCK.sub(lambda found: found[1] + blocks[found[2]] + found[3], page)


def _diagram(transitions: Mapping[S, AbstractSet[S]], name: Callable[[S], str]) -> str:
    lines = "\n".join(f"  {line}" for line in _lines(transitions, name))
    return f"```mermaid\nstateDiagram-v2\n{lines}\n```\n"


def _lines(transitions: Mapping[S, AbstractSet[S]], name: Callable[[S], str]) -> Iterator[str]:
    first, *_ = transitions
    yield f"[*] --> {name(first)}"
    reached = {each for followers in transitions.values() for each in followers}
    for state, followers in transitions.items():
        yield from (f"{name(state)} --> {name(each)}" for each in sorted(followers))
    yield from (f"{name(each)} --> [*]" for each in sorted(reached - set(transitions)))
