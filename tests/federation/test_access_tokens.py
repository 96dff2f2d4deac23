"""Operator systems without a certificate: access tokens open what certificates open, and nothing else does."""

from http import HTTPStatus
from itertools import chain

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.web.openapi_pages import JSON_PATH
from region_node.open_api.served import served_apis
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.test_open_api_access import routes
from tests.federation.token_provider import CLIENT, TokenProvider
from tests.federation.web_caller import NO_CONNECTION, ORDERS, WebAnswer, order_path, web_caller, without_certificate

REGION, SYSTEM = "sichuan", "region/sichuan/operator/by-token"
CHANNEL = {"Requester-Channel": "counter"}
LONG_AGO = 1_000_000_000


def told(answer: WebAnswer) -> str:
    """The status, and the code of a refusal."""
    return f"{answer.status} {answer.body['code'] if answer.status >= HTTPStatus.BAD_REQUEST else ''}"


async def test_each_route_answers_a_system_by_its_token_as_by_its_certificate(
    federation: Federation, provider: TokenProvider
) -> None:
    by_certificate = web_caller(federation, SYSTEM, member=REGION)
    by_token = without_certificate(federation, REGION, provider.token(client_id="by-token"))
    described = (("GET", f"{api.root}/{JSON_PATH}") for api in served_apis())
    wrong = []
    for verb, path in chain(((route.verb, path) for path, route in routes()), described):
        body = b"{}" if verb in ("POST", "PATCH") else None
        doors = [told(await each.ask(verb, path, body)) for each in (by_certificate, by_token)]
        if doors[0] != doors[1] or "UNAUTHENTICATED" in doors[0]:
            wrong.append(f"{verb} {path}: {doors}")
    assert not wrong


async def test_what_a_system_reads_is_kept_the_same_by_both_doors_with_the_person_who_acts(
    federation: Federation, provider: TokenProvider, sichuan: Counter
) -> None:
    order_id = (await sichuan.order("SUSPEND", await sichuan.new_customer())).id
    rows = "SELECT action, subject, detail FROM audit WHERE actor = ? AND subject = ? ORDER BY sequence"
    name = "region/sichuan/operator/counter"
    before = len(federation.database(REGION).rows(rows, name, order_id))
    federation.acting[name] = "chen"
    proof = federation.staff_proof(name)
    del federation.acting[name]
    by_certificate = web_caller(federation, name, {**CHANNEL, "Authorization": f"Bearer {proof}"}, REGION)
    token = provider.token(client_id="counter")
    by_token = without_certificate(federation, REGION, token, {**CHANNEL, "Requester-Proof": f"Bearer {proof}"})
    found = [await each.ask("GET", order_path(order_id)) for each in (by_certificate, by_token)]
    assert [each.status for each in found] == [HTTPStatus.OK, HTTPStatus.OK], found
    first, second = federation.database(REGION).rows(rows, name, order_id)[before:]
    assert first == second
    assert str(first[2]).startswith("staff chen by certificate ")


async def test_no_token_counts_but_one_of_the_authorization_server_for_a_system_of_the_region(
    federation: Federation, provider: TokenProvider
) -> None:
    named = {"client_id": "by-token"}
    tokens = [
        "",
        "x.y.z",
        provider.token(),
        provider.token(client_id="two words"),
        provider.token(client_id=["by-token"]),
        provider.token(**named, aud=CLIENT),
        provider.token(**named, iss="https://other.example"),
        provider.token(**named, exp=None),
        provider.token(**named, iat=LONG_AGO, exp=LONG_AGO + 60),
        provider.token(**named, exp=LONG_AGO * 2),
        provider.token(**named, cnf={"x5t#S256": "any"}),
    ]
    provider.signing = ec.generate_private_key(ec.SECP256R1())
    tokens.append(provider.token(**named))
    provider.algorithm = "none"
    tokens.append(provider.token(**named))
    for token in tokens:
        answer = await without_certificate(federation, REGION, token).ask("GET", ORDERS)
        assert told(answer) == f"{HTTPStatus.UNAUTHORIZED:d} ACCESS_TOKEN_INVALID", token
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_region_without_an_authorization_server_takes_no_connection_without_a_certificate(
    federation: Federation, provider: TokenProvider
) -> None:
    caller = without_certificate(federation, "guangdong", provider.token(client_id="by-token"))
    with pytest.raises(NO_CONNECTION):
        await caller.ask("GET", ORDERS)
