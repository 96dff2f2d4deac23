"""Events in the forms for listeners: TM Forum's, and CloudEvents 1.0 in structured JSON. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from google.protobuf.message import Message

from gateway.api.region.v1.listener_service_pb2 import EventFormat, EventKind, ListenerResource
from gateway.web.json_texts import JsonObject
from gateway.web.refusing import TYPE
from region_node.listeners.events import ResourceEvent
from region_node.open_api.resources import Json, told_instant
from region_node.open_api.versions import V4, Version

CLOUD_EVENTS = "cloudevents"
_CLOUD_EVENTS_TYPE = "application/cloudevents+json"
REFERENCE = ("id", "href", "@type", "@baseType", "@schemaLocation")
"""The attributes of a resource that tell which one it is, and nothing of it."""
OF_A_RECORD = (
    EventKind.EVENT_KIND_CREATE,
    EventKind.EVENT_KIND_STATE_CHANGE,
    EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE,
)
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class EventSource:
    """A resource of an Open API, whose events have these types."""

    resource: ListenerResource.ValueType
    name: str
    """The attribute of `event` that has the resource, for example `productOrder`."""
    types: Mapping[EventKind.ValueType, str]
    told: Callable[[Message], JsonObject]
    version: Version

    @classmethod
    def of(
        cls,
        resource: ListenerResource.ValueType,
        name: str,
        told: Callable[[M], JsonObject],
        state: str = "State",
        version: Version = V4,
        kinds: Collection[EventKind.ValueType] = OF_A_RECORD,
    ) -> "EventSource":
        """A source whose resource is made by `told`. `state` is what TM Forum calls its state; `kinds` occur."""
        base = f"{name[0].upper()}{name[1:]}"
        types = {
            EventKind.EVENT_KIND_CREATE: f"{base}CreateEvent",
            EventKind.EVENT_KIND_STATE_CHANGE: f"{base}{state}ChangeEvent",
            EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE: f"{base}AttributeValueChangeEvent",
            EventKind.EVENT_KIND_DELETE: f"{base}DeleteEvent",
        }
        types = {kind: word for kind, word in types.items() if kind in kinds}
        return cls(resource, name, types, cast("Callable[[Message], JsonObject]", told), version)


def written(source: EventSource, event: ResourceEvent, form: EventFormat.ValueType, region: str) -> tuple[str, bytes]:
    """The content type and the body of an event. `region` is the URI of the region."""
    kind, time = source.types[event.kind], told_instant(event.time)
    resource = source.told(event.now)
    if event.kind == EventKind.EVENT_KIND_DELETE:
        resource = resource.only(REFERENCE)
    held = JsonObject.of({source.name: resource})
    if form != EventFormat.EVENT_FORMAT_CLOUD_EVENTS:
        told: Json = {"eventId": event.id, "eventTime": time, "eventType": kind, "event": held}
        return TYPE, _body(source.version.typed(told, kind))
    cloud_event: Json = {
        "specversion": "1.0",
        "id": event.id,
        "source": region,
        "type": kind,
        "subject": event.subject,
        "time": time,
        "datacontenttype": TYPE,
        "data": held,
    }
    return _CLOUD_EVENTS_TYPE, _body(cloud_event)


def _body(event: Json) -> bytes:
    return JsonObject.of(event).text.encode()
