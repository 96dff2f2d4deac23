"""The network of a caller, by which those are counted who have no certificate."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote

_OWN_BITS = 64


def network_of(peer: str) -> str:
    """The network of a caller, by what gRPC says of its connection: an IPv4 address, or the /64 of an IPv6 address.

    The last 64 bits of an IPv6 address are the choice of its host (RFC 4291, 2.5.1). Empty for a connection of another
    kind.
    """
    host = unquote(peer).partition(":")[2].rpartition(":")[0]
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> _OWN_BITS << _OWN_BITS, _OWN_BITS)))
