"""The sources of problems: network records that are reported to coordinators as events, by kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.store.port import Transaction
from region_node.customers.rows import Line
from region_node.node.context import RegionContext

FindEvent: TypeAlias = Callable[[Transaction, RegionContext, str, datetime], NetworkEvent | None]
"""This region's record, by its id in an event, as coordinators are told of it; None for an unknown or foreign one."""
Follow: TypeAlias = Callable[[Transaction, RegionContext, str, str, str, datetime], None]
"""Links a record, by its id, to a problem. The last text is the root cause's id, empty while it is unknown."""
Leave: TypeAlias = Callable[[Transaction, RegionContext, str, str, datetime], None]
"""Unlinks a record, by its id, from a problem."""


ListComplaints: TypeAlias = Callable[[Transaction, RegionContext, ProblemHeader, int], Sequence[str]]
"""The ticket ids of at most so many complaints that belong to a problem, in order."""
CountComplaints: TypeAlias = Callable[[Transaction, RegionContext, ProblemHeader], int]
"""The number of complaints that belong to a problem."""


@dataclass(frozen=True)
class Evidence:
    """Records of one kind behind problems, and how they follow the problem to which coordinators count them."""

    event: FindEvent
    follow: Follow | None = None
    leave: Leave | None = None
    """Records without these follow no problem."""


@dataclass(frozen=True)
class ProblemPorts:
    """The port of a network kind for problems."""

    evidence: Mapping[str, Evidence]
    """The ports by the kind in the id of an event."""
    line_bound: Callable[[Transaction, RegionContext, str, Line, datetime, datetime], None]
    """Called once an active line uses a service: the service, the line, since when, and the time now."""
    complaints_of: ListComplaints


def event_id(region: str, kind: str, record_id: str) -> str:
    """The id of the event that reports a record to coordinators."""
    return f"{region}/{kind}/{record_id.replace('/', ':')}"


def record_of(event: str) -> tuple[str, str]:
    """The kind and the id of the record of an event."""
    _, kind, key = event.split("/")
    return kind, key.replace(":", "/")
