"""The networks by which callers without a certificate are counted, and their places at a server."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused, reason_name
from gateway.rpc.networks import network_of
from gateway.rpc.shares import CALLS_OF_JOINERS, Shares
from gateway.security.peers import joiner

PORTS = st.integers(0, 65535)


@given(st.ip_addresses(v=4), PORTS)
def test_the_network_of_an_ipv4_address_is_the_address_however_the_server_listens(
    address: IPv4Address, port: int
) -> None:
    assert network_of(f"ipv4:{address}:{port}") == str(address)
    assert network_of(f"ipv6:%5B::ffff:{address}%5D:{port}") == str(address)


@given(st.integers(0, 2**64 - 1).filter(bool), st.integers(0, 2**64 - 1), PORTS)
def test_the_network_of_an_ipv6_address_is_its_first_half(first: int, last: int, port: int) -> None:
    address = IPv6Address(first << 64 | last)
    network = network_of(f"ipv6:{quote(f'[{address}]')}:{port}")
    assert network == network_of(f"ipv6:[{IPv6Address(first << 64)}]:{port}")
    assert network == str(IPv6Network((first << 64, 64)))


def test_an_address_of_a_link_belongs_to_its_network_and_a_connection_of_another_kind_to_none() -> None:
    assert network_of("ipv6:%5Bfe80::1%25eth0%5D:443") == "fe80::/64"
    assert [network_of(each) for each in ("", "unix:", "unix:/run/socket", "ipv4:somewhere:1")] == [""] * 4


def test_joiners_of_one_network_take_the_places_of_no_other_one() -> None:
    shares, stranger = Shares(), joiner({}, "demo.example").identity
    first, second = "ipv6:%5B2001:db8::1%5D:1", "ipv6:%5B2001:db8::2%5D:2"
    held = [shares.enter(stranger, first, is_stranger=False) for _ in range(CALLS_OF_JOINERS)]
    with pytest.raises(Refused) as refused:
        shares.enter(stranger, second, is_stranger=False)
    assert reason_name(refused.value.reason) == "CALLS_TOO_MANY"
    shares.enter(stranger, "ipv6:%5B2001:db8:0:1::1%5D:1", is_stranger=False)
    shares.leave(held[0], first)
    shares.enter(stranger, second, is_stranger=False)
