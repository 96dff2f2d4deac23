"""The identity in a certificate."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unfit
from gateway.security.identity import (
    Identity,
    federation_of,
    from_auth_context,
    parse,
    server_name,
    trust_domain,
)

FEDERATION = "demo.example"
LONGEST_NAME = "n" * 64

VALID = {
    "region/sichuan": Identity(FEDERATION, Role.ROLE_REGION, "sichuan", ""),
    "region/inner-mongolia": Identity(FEDERATION, Role.ROLE_REGION, "inner-mongolia", ""),
    "region/sichuan/operator/Crm_1.a": Identity(FEDERATION, Role.ROLE_OPERATOR, "sichuan", "Crm_1.a"),
    "region/sichuan/staff/li-wei": Identity(FEDERATION, Role.ROLE_STAFF, "sichuan", "li-wei"),
    "region/sichuan/provider/network-1": Identity(FEDERATION, Role.ROLE_PROVIDER, "sichuan", "network-1"),
    "coordinator/0": Identity(FEDERATION, Role.ROLE_COORDINATOR, "", "0"),
    "coordinator/12": Identity(FEDERATION, Role.ROLE_COORDINATOR, "", "12"),
    f"admin/{LONGEST_NAME}": Identity(FEDERATION, Role.ROLE_ADMIN, "", LONGEST_NAME),
}

INVALID = [
    "",
    "region",
    "region/",
    "region/Sichuan",
    "region/si chuan",
    "region/sichuan/",
    "region/sichuan\n",
    "region/-sichuan",
    "region/sichuan-",
    "region/" + "a" * 64,
    "region/四川",
    "region/sichuan/operator",
    "region/sichuan/operator/",
    "region/sichuan/operator/crm/1",
    "region/sichuan/operator/..",
    "region/sichuan/operator/cr%6d",
    "region/sichuan/operator/" + "n" * 65,
    "region/sichuan/admin/root",
    "region/sichuan/provider",
    "region/sichuan/provider/network.one",
    "region/sichuan/provider/Network",
    "region//operator/crm",
    "region/sichuan?x=1",
    "region/sichuan#x",
    "coordinator",
    "coordinator/01",
    "coordinator/one",
    "coordinator/-1",
    "admin/",
    "admin/.",
    "/region/sichuan",
]


@pytest.mark.parametrize(("path", "identity"), VALID.items())
def test_a_uri_of_the_contract_names_its_identity_and_is_named_by_it(path: str, identity: Identity) -> None:
    uri = f"spiffe://{FEDERATION}/{path}"
    assert parse(uri, FEDERATION) == identity
    assert identity.uri == uri


@pytest.mark.parametrize("path", INVALID)
def test_a_uri_of_another_form_is_no_identity(path: str) -> None:
    with pytest.raises(Unfit, match=r"identity|role") as problem:
        parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
    assert re.search("身份|角色", problem.value.told.zh_cn)


@pytest.mark.parametrize(
    "start",
    [
        "spiffe://other.example/",
        "spiffe://demo.example.evil/",
        "spiffe://demo.example:443/",
        "spiffe://user@demo.example/",
        "SPIFFE://demo.example/",
        "https://demo.example/",
        " spiffe://demo.example/",
        "",
    ],
)
def test_a_uri_of_another_federation_or_scheme_is_no_identity(start: str) -> None:
    with pytest.raises(Unfit, match="not of the federation") as problem:
        parse(start + "region/sichuan", FEDERATION)
    assert f"不属于联盟{FEDERATION}" in problem.value.told.zh_cn


@pytest.mark.parametrize(
    ("role", "region", "name"),
    [
        (Role.ROLE_UNSPECIFIED, "", ""),
        (Role.ROLE_REGION, "", ""),
        (Role.ROLE_REGION, "sichuan", "crm"),
        (Role.ROLE_OPERATOR, "", "crm"),
        (Role.ROLE_COORDINATOR, "sichuan", "1"),
        (Role.ROLE_ADMIN, "", "a/b"),
    ],
)
def test_an_identity_with_parts_that_its_role_does_not_have_cannot_be_made(
    role: Role.ValueType, region: str, name: str
) -> None:
    with pytest.raises(ValueError, match=r"identity|region|name"):
        Identity(FEDERATION, role, region, name)


@given(st.text())
def test_whatever_parses_is_written_back_letter_for_letter(path: str) -> None:
    uri = f"spiffe://{FEDERATION}/{path}"
    try:
        identity = parse(uri, FEDERATION)
    except ValueError:
        return
    assert identity.uri == uri


@given(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", fullmatch=True),
)
def test_every_region_and_name_of_the_documented_letters_parses(region: str, name: str) -> None:
    identity = parse(f"spiffe://{FEDERATION}/region/{region}/operator/{name}", FEDERATION)
    assert (identity.region, identity.name) == (region, name)


def test_the_peer_is_whom_the_one_uri_of_its_certificate_names() -> None:
    context = {
        "x509_common_name": [b"admin/root"],
        "peer_uri": [b"spiffe://demo.example/region/henan"],
    }
    assert from_auth_context(context, FEDERATION) == Identity(FEDERATION, Role.ROLE_REGION, "henan", "")


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"peer_uri": []},
        {"x509_common_name": [b"spiffe://demo.example/region/henan"]},
        {"peer_dns": [b"spiffe://demo.example/region/henan"]},
        {"peer_uri": [b"spiffe://demo.example/region/henan", b"spiffe://demo.example/admin/root"]},
        {"peer_uri": [b"spiffe://demo.example/region/henan"] * 2},
        {"peer_uri": [b"spiffe://demo.example/region/henan", b"https://demo.example/"]},
        {"peer_uri": [b"spiffe://other.example/region/henan"]},
        {"peer_uri": [b"spiffe://demo.example/region/\xff"]},
        {"peer_uri": [b"spiffe://demo.example/region/henan\0"]},
    ],
)
def test_a_peer_without_exactly_one_uri_of_the_federation_is_not_authenticated(
    context: dict[str, list[bytes]],
) -> None:
    with pytest.raises(Refused) as refusal:
        from_auth_context(context, FEDERATION)
    assert refusal.value.reason == Reason.REASON_UNAUTHENTICATED


def test_a_server_is_expected_under_the_name_of_its_role() -> None:
    assert server_name(Role.ROLE_REGION, "sichuan", FEDERATION) == "sichuan.region.demo.example"
    assert server_name(Role.ROLE_COORDINATOR, "", FEDERATION) == "coordinator.demo.example"
    expected = "network.provider.sichuan.region.demo.example"
    assert server_name(Role.ROLE_PROVIDER, "sichuan", FEDERATION, "network") == expected


def test_a_role_that_serves_nothing_has_no_server_name() -> None:
    for role in (Role.ROLE_OPERATOR, Role.ROLE_STAFF, Role.ROLE_ADMIN):
        with pytest.raises(ValueError, match="no server"):
            server_name(role, "sichuan", FEDERATION)


def test_a_region_with_a_dot_cannot_take_the_server_name_of_another() -> None:
    with pytest.raises(ValueError, match="region"):
        server_name(Role.ROLE_REGION, "x.region", FEDERATION)


def test_a_provider_with_a_dot_cannot_take_the_server_name_of_another() -> None:
    with pytest.raises(ValueError, match="name"):
        server_name(Role.ROLE_PROVIDER, "sichuan", FEDERATION, "x.provider.henan")


def test_a_federation_is_found_again_in_its_trust_domain() -> None:
    assert federation_of(trust_domain(FEDERATION)) == FEDERATION


@pytest.mark.parametrize("uri", ["spiffe://", "spiffe://demo.example/", "demo.example", "spiffe://Demo"])
def test_a_uri_that_is_no_trust_domain_names_no_federation(uri: str) -> None:
    with pytest.raises(ValueError, match=r"federation|trust domain"):
        federation_of(uri)
