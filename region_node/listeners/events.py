"""The event of a change, before it is written in a format. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.listener_service_pb2 import EventKind, Listener, ListenerResource
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.records.watches import Change, ChangeKind

_KINDS: Mapping[ChangeKind, EventKind.ValueType] = {
    ChangeKind.DELETED: EventKind.EVENT_KIND_DELETE,
    ChangeKind.CREATED: EventKind.EVENT_KIND_CREATE,
    ChangeKind.STATE: EventKind.EVENT_KIND_STATE_CHANGE,
    ChangeKind.ATTRIBUTE: EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE,
}


@dataclass(frozen=True)
class ResourceEvent:
    """A change of a resource for a listener."""

    id: str
    """`<region>/<resource>/<number of the change>`: the same for each delivery."""
    kind: EventKind.ValueType
    time: Timestamp
    resource: ListenerResource.ValueType
    subject: str
    """The id of what has changed."""
    now: Message = field(repr=False)
    """In its present state."""


def event_for(listener: Listener, change: Change[Message], region: str, name: str) -> ResourceEvent | None:
    """The event of a change; None for a change that the listener does not receive. `name` is the resource's."""
    kinds = [_KINDS[each] for each in change.kinds]
    kind = next((each for each in kinds if not listener.kinds or each in listener.kinds), None)
    if change.now is None or kind is None:
        return None
    time = to_timestamp(from_microseconds(change.time))
    return ResourceEvent(f"{region}/{name}/{change.sequence}", kind, time, listener.resource, change.name, change.now)
