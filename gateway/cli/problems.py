"""The printed words for network problems and their parts."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.api.federation.v1.problem_pb2 import (
    NetworkCondition,
    NetworkElement,
    NetworkElementKind,
    ProblemHeader,
    ProblemState,
)
from gateway.federation.problems import is_cause_known
from gateway.wording.languages import enumerated, translated
from gateway.wording.words import value_word

Names = Mapping[tuple[NetworkElementKind.ValueType, str], str]
"""The names of elements of the network, each with its id, by their kinds and ids."""
UNNAMED: Names = MappingProxyType({})
"""No names: each element has its id."""


def told_element(element: NetworkElement, names: Names = UNNAMED) -> str:
    """A site, a link or a service by its kind and its name; by its id where `names` lacks it."""
    kind = value_word(NetworkElementKind.DESCRIPTOR, element.kind)
    return f"{kind} {names.get((element.kind, element.id), element.id)}"


def told_cause(header: ProblemHeader, names: Names = UNNAMED) -> str:
    """The root cause, as `told_element`. Without a claimed one, the property that the events share."""
    element = told_element(header.root_cause, names)
    return element if is_cause_known(header) else translated("unknown, near {element}", element=element)


def told_state(header: ProblemHeader) -> str:
    """The state, with the condition of the current action, and the problem into which this one was merged."""
    state = value_word(ProblemState.DESCRIPTOR, header.state)
    if header.state == ProblemState.PROBLEM_STATE_IN_PROGRESS and header.condition:
        state = enumerated([state, value_word(NetworkCondition.DESCRIPTOR, header.condition)])
    return f"{state} → {header.merged_into_id}" if header.merged_into_id else state
