"""What problems of the network are called for people."""

from gateway.api.federation.v1.problem_pb2 import NetworkElementKind, ProblemHeader
from gateway.federation.problems import is_cause_known
from gateway.languages import translated
from gateway.words import word


def told_cause(header: ProblemHeader) -> str:
    """The root cause; where none is claimed, what the events have in common."""
    element = f"{word(NetworkElementKind.Name(header.root_cause.kind), 'NETWORK_ELEMENT_KIND_')} {header.root_cause.id}"
    return element if is_cause_known(header) else translated("unknown, near {element}", element=element)
