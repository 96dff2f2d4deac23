"""The form of a callback, the addresses that may be called, and the id of a listener. Pure."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from gateway.api.region.v1.listener_service_pb2 import EventKind, RegisterListenerRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid

LISTENERS = 16  # of one operator system
STOPS_AFTER = timedelta(days=3)
"""A listener whose callback has taken nothing for this time is stopped."""
REMOVED_AFTER = timedelta(days=7)
"""A listener that has been stopped for this time is removed."""
LONGEST_CALLBACK = 2_048  # characters
_HTTPS = 443
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_PUBLIC = (IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3"))  # others translate, or are of the site alone
# Of these, some versions of Python say otherwise: IETF protocols (RFC 6890), relays of 6to4 (RFC 7526), documentation
# (RFC 9637).
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def callback_of(text: str) -> SplitResult:
    """The parts of a callback. Raises Refused for anything but an HTTPS address without user and fragment."""
    try:
        url = urlsplit(text)
        host = url.hostname or "."  # a dot at its end is not sent, and would be signed
        is_whole = not host.endswith(".") and url.port != 0 and not set("@\\") & set(url.netloc) and "#" not in text
    except ValueError:
        is_whole, url = False, urlsplit("")
    is_plain = len(text) <= LONGEST_CALLBACK and text.isascii() and all(each > " " for each in text)
    if not is_whole or not is_plain or url.scheme != "https":
        raise invalid(
            "callback",
            f"it is https:// and at most {LONGEST_CALLBACK} characters, without user and fragment",
            f"须为https://地址，不超过{LONGEST_CALLBACK}个字符，且不含用户名和片段标识",
        )
    return url


def port_of(url: SplitResult) -> int:
    """The port of a callback."""
    return url.port or _HTTPS


def known_kinds(
    kinds: Sequence[EventKind.ValueType], known: Collection[EventKind.ValueType]
) -> Sequence[EventKind.ValueType]:
    """The kinds of events, each once, in order; none for all. Raises Refused for any but the `known` ones."""
    if not set(kinds) <= set(known):
        raise invalid("kinds", "names an unknown kind", "含有未知的事件类型")
    return sorted(set(kinds))


def listener_id(operator: str, request: RegisterListenerRequest) -> str:
    """The id of the one listener of an operator system with this content."""
    said = (operator, request.resource, request.callback, ",".join(map(str, request.kinds)), request.format)
    return hashlib.sha256("\n".join(map(str, said)).encode()).hexdigest()[:32]


def may_be_called(address: Address, networks: Collection[Network]) -> bool:
    """Whether an address is on the public network, or in one of these networks.

    An IPv6 address that holds an IPv4 address leads where that one does.
    """
    inner = _inner(address)
    if _is_in(inner, networks):
        return True
    is_public = inner.is_global and not inner.is_multicast and _is_in(inner, _PUBLIC)
    return is_public and not _is_in(inner, _SPECIAL)


def _is_in(address: Address, networks: Collection[Network]) -> bool:
    return any(address.version == each.version and address in each for each in networks)


def refused_callback(host: str) -> Refused:
    """The refusal of a callback by its host."""
    return Refused(Reason.REASON_CALLBACK_REFUSED, host=host)


def _inner(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
