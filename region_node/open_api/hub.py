"""The hub of an Open API (TMF630): its listeners, each an RPC of ListenerService."""

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from urllib.parse import parse_qsl

from gateway.api.region.v1 import listener_service_pb2 as api
from gateway.api.region.v1.listener_service_pb2 import EventFormat, Listener, ListenerState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, invalid
from gateway.values.lists import joined
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import unsupported
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.refusals import ENGLISH, text_in
from gateway.web.routes import Answer, Asked, Route
from gateway.web.selecting import Selection
from region_node.listeners.callbacks import POST_SECONDS
from region_node.open_api.events import CLOUD_EVENTS, EventSource
from region_node.open_api.extension import resource_of
from region_node.open_api.resources import (
    Json,
    href_of,
    tokens_of,
    told_created,
    told_list,
    told_one,
    told_time,
)

HUB = "hub"
_SERVICE = "/gateway.api.region.v1.ListenerService"
_EVENT_TYPE, _FORMAT = "eventType", "format"
_LONGEST_TYPE = 64  # characters of a word that a refusal repeats: the names of all events are shorter


def hub_routes(root: str, source: EventSource) -> Sequence[Route]:
    """The routes of the listeners for the events of a source, below the path of its API."""

    def register(asked: Asked) -> api.RegisterListenerRequest:
        source.version.require_type(asked.body, source.version.listener)
        kinds, form = _asked_for(asked.body.text("query"), source)
        return api.RegisterListenerRequest(
            resource=source.resource,
            callback=asked.body.text("callback"),
            kinds=kinds,
            format=form,
            requester=asked.requester,
        )

    def registered(asked: Asked, response: api.RegisterListenerResponse) -> Answer:
        return told_created(asked, told_listener(response.listener, asked.root, source, asked.language))

    def list_all(asked: Asked) -> api.ListListenersRequest:
        return api.ListListenersRequest(resource=source.resource, in_reverse=asked.is_reversed, **tokens_of(asked))

    def listed(asked: Asked, response: api.ListListenersResponse) -> Listed:
        told = [told_listener(each, asked.root, source, asked.language) for each in response.listeners]
        return told_list(asked, HUB, told, response.next_page_token, None)

    def own(_: Asked) -> api.ListListenersRequest:
        # A page has room for all that an operator system may have.
        return api.ListListenersRequest(resource=source.resource)

    def got(asked: Asked, response: api.ListListenersResponse) -> Answer:
        name = asked.names["id"]
        found = next((each for each in response.listeners if each.id == name), None)
        if found is None:
            raise Refused(Reason.REASON_LISTENER_NOT_FOUND, listener=name)
        return told_one(asked, told_listener(found, asked.root, source, asked.language))

    def in_english(listener: Listener) -> JsonObject:
        return told_listener(listener, root, source, ENGLISH)

    resource = resource_of(source.version.listener, Listener, in_english)
    return (
        Route.of(
            "POST",
            f"/{HUB}",
            f"{_SERVICE}/RegisterListener",
            register,
            registered,
            resource=resource,
            attributes=source.version.attributes("callback", "query"),
            required=("callback",),
        ),
        Route.of(
            "GET",
            f"/{HUB}",
            f"{_SERVICE}/ListListeners",
            list_all,
            listed,
            resource=resource,
            selection=Selection("id"),
        ),
        Route.of("GET", f"/{HUB}/{{id}}", f"{_SERVICE}/ListListeners", own, got, resource=resource),
        Route.of("DELETE", f"/{HUB}/{{id}}", f"{_SERVICE}/RemoveListener", _remove, _removed, resource=resource),
    )


def told_listener(listener: Listener, root: str, source: EventSource, language: str) -> JsonObject:
    """A listener as an EventSubscription, with its state. `language` is that of its problem."""
    # Of a kind that the resource has in a later version, no event occurs here.
    kinds = ",".join(source.types[each] for each in listener.kinds if each in source.types)
    is_cloud_events = listener.format == EventFormat.EVENT_FORMAT_CLOUD_EVENTS
    parts = ((_EVENT_TYPE, kinds), (_FORMAT, CLOUD_EVENTS if is_cloud_events else ""))
    told: Json = {
        "id": listener.id,
        "href": href_of(root, HUB, listener.id),
        "callback": listener.callback,
        "query": "&".join(f"{name}={value}" for name, value in parts if value),
        "state": told_word(ListenerState.DESCRIPTOR, listener.state),
        "creationDate": told_time(listener, "create_time"),
        "failureDate": told_time(listener, "failure_time"),
        "problem": _told_problem(listener.problem, language),
        "signingCertificate": listener.signing_certificate,
        "@type": source.version.listener,
    }
    return JsonObject.of(told)


def _told_problem(problem: str, language: str) -> str:
    """A failure of a callback in words; a status of HTTP and a reason as they are."""
    if problem == problem.upper():
        return problem
    other = LocalizedText(en="no event could be posted to it", zh_cn="无法向其推送事件")
    return text_in(_problems().get(problem, other), language)


@cache
def _problems() -> Mapping[str, LocalizedText]:
    """Words for the kinds of failures that a connection to a callback has."""
    seconds = int(POST_SECONDS)
    late = LocalizedText(en=f"no answer within {seconds} seconds", zh_cn=f"{seconds}秒内无应答")
    unnamed = LocalizedText(en="no address for its name", zh_cn="其域名无法解析")
    closed = LocalizedText(
        en="no connection to its address, or it ended before TLS", zh_cn="无法连接其地址，或TLS建立前连接中断"
    )
    ended = LocalizedText(en="the connection ended before an answer", zh_cn="应答前连接中断")
    distrusted = LocalizedText(en="its certificate is not trusted", zh_cn="其证书不受信任")
    no_tls = LocalizedText(en="no connection by TLS", zh_cn="无法建立TLS连接")
    return {
        "TimeoutError": late,
        "ConnectionTimeoutError": late,
        "SocketTimeoutError": late,
        "ServerTimeoutError": late,
        "ClientConnectorError": closed,
        "ClientConnectorDNSError": unnamed,
        "UnicodeError": unnamed,
        "ClientConnectorSSLError": no_tls,
        "ClientConnectorCertificateError": distrusted,
        "ClientOSError": ended,
        "ClientConnectionResetError": ended,
        "ServerDisconnectedError": ended,
        "ClientResponseError": LocalizedText(en="its answer is no HTTP", zh_cn="其应答不符合HTTP"),
    }


def _remove(asked: Asked) -> api.RemoveListenerRequest:
    return api.RemoveListenerRequest(listener_id=asked.names["id"], requester=asked.requester)


def _removed(asked: Asked, response: api.RemoveListenerResponse) -> Answer:
    return Answer(None, HTTPStatus.NO_CONTENT)


def _asked_for(query: str, source: EventSource) -> tuple[Sequence[api.EventKind.ValueType], EventFormat.ValueType]:
    """The kinds and the format that a query asks for. Raises Refused for anything else in it."""
    kinds: list[api.EventKind.ValueType] = []
    form = EventFormat.EVENT_FORMAT_UNSPECIFIED
    numbers = {name: kind for kind, name in source.types.items()}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == _EVENT_TYPE:
            words = value.split(",")
            unknown = next((each[:_LONGEST_TYPE] for each in words if each not in numbers), None)
            if unknown is not None:
                known = joined(numbers)
                told = f'no event "{unknown}" occurs here; eventType is of {known.en}'
                raise invalid("query", told, f"本接口不会产生“{unknown}”事件，eventType可用值为{known.zh_cn}")
            kinds += [numbers[each] for each in words]
        elif name == _FORMAT and value == CLOUD_EVENTS:
            form = EventFormat.EVENT_FORMAT_CLOUD_EVENTS
        else:
            told = f"it takes {_EVENT_TYPE}, and {_FORMAT}={CLOUD_EVENTS}"
            raise unsupported("query", told, f"可用{_EVENT_TYPE}及{_FORMAT}={CLOUD_EVENTS}")
    return kinds, form
