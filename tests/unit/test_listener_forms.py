"""Callbacks of listeners: their form, and the addresses that a node calls."""

from ipaddress import ip_address, ip_network

import pytest

from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource, RegisterListenerRequest
from gateway.errors import Refused
from region_node.listeners.forms import LONGEST_CALLBACK, callback_of, known_kinds, listener_id, may_be_called

ORDERS = ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER
CREATE, STATE = EventKind.EVENT_KIND_CREATE, EventKind.EVENT_KIND_STATE_CHANGE
INTERNAL = (
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "64:ff9b:1::a00:1", "::ffff:0:7f00:1", "::7f00:1", "fec0::1"),
    *("192.0.0.192", "192.88.99.1", "3fff::1", "::ffff:192.0.0.192", "2002:c000:c0::1"),
)


@pytest.mark.parametrize("address", INTERNAL)
def test_an_internal_address_is_not_called_in_whatever_form_it_comes(address: str) -> None:
    assert not may_be_called(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_called(address: str) -> None:
    assert may_be_called(ip_address(address), ())


def test_a_network_that_the_settings_name_is_called_and_none_beside_it() -> None:
    networks = [ip_network("10.20.0.0/16"), ip_network("fd00:1::/32")]
    called = ["10.20.1.2", "::ffff:10.20.1.2", "fd00:1::5", "10.21.0.1", "127.0.0.1", "fd00:2::5"]
    assert [may_be_called(ip_address(each), networks) for each in called] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "callback",
    [
        *("", "http://crm.example/x", "crm.example/x", "https://", "https:///x", "https://user:key@crm.example/"),
        *("https://@crm.example/", "https://crm.example/#x", "https://crm.example/#", "https://crm.example:0/"),
        *("https://crm.example./x", "https://crm\\.example/x"),
        *("https://crm.example:x/", "https://[::1/", "https://crm.example/ä", "https://crm.example/a b"),
        *("https://crm.example/\n", "ftp://crm.example/", f"https://crm.example/{'x' * LONGEST_CALLBACK}"),
    ],
)
def test_a_callback_is_an_https_address_alone(callback: str) -> None:
    with pytest.raises(Refused, match="callback"):
        callback_of(callback)


def test_a_listener_is_known_by_its_content() -> None:
    request = RegisterListenerRequest(resource=ORDERS, callback="https://crm.example/x")
    name = listener_id("crm", request)
    assert listener_id("crm", request) == name
    other = RegisterListenerRequest(resource=ORDERS, callback="https://crm.example/y")
    fewer = RegisterListenerRequest(resource=ORDERS, callback=request.callback, kinds=[CREATE])
    others = [listener_id("app", request), listener_id("crm", other), listener_id("crm", fewer)]
    assert len({name, *others}) == 4


def test_kinds_are_those_of_the_resource() -> None:
    assert known_kinds([STATE, CREATE, STATE], (CREATE, STATE)) == [CREATE, STATE]
    never = EventKind.EVENT_KIND_DELETE
    for unknown in (EventKind.EVENT_KIND_UNSPECIFIED, never, EventKind.ValueType(99)):
        with pytest.raises(Refused, match="kinds"):
            known_kinds([unknown], (CREATE, STATE))
