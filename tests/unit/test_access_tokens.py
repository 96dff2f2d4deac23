"""Access tokens of operator systems: whom each is, and what is said of one that is nobody's."""

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.api.types.v1.access_pb2 import Role
from gateway.security.access_tokens import AccessTokens
from gateway.security.identity import Identity
from gateway.security.provider_tokens import IdentityProvider, TokenInvalid
from region_node.node.operator_scopes import Scope, operators_of_clients

NOW = datetime.now(UTC)
NODE = Identity("crossregion.example", Role.ROLE_REGION, "sichuan", "")
ISSUER, AUDIENCE = "https://id.example", "https://systems.example"
CLIENTS = operators_of_clients(
    {"crm": Scope(client_id="one"), "app": Scope(client_id="2"), "web": Scope(client_id="2")}
)
KEY = ed25519.Ed25519PrivateKey.generate()


def tokens(*, has_scopes: bool = True) -> AccessTokens:
    """Those of a region whose scopes name clients, or that lets each client be the system of its own name."""
    server = IdentityProvider(ISSUER, AUDIENCE, "client_id", lambda: {"a": KEY.public_key()})
    return AccessTokens(server, NODE, CLIENTS.get if has_scopes else str)


def token(client: object) -> str:
    """A token of the authorization server; without the claim for None."""
    times = {"iat": int(NOW.timestamp()), "exp": int((NOW + timedelta(minutes=5)).timestamp())}
    claims = {"iss": ISSUER, "aud": AUDIENCE, **times, **({} if client is None else {"client_id": client})}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), KEY, "EdDSA", {"kid": "a"})


def test_a_token_is_the_operator_system_whose_scope_names_its_client() -> None:
    assert tokens().operator(token("one"), NOW).name == "crm"
    assert tokens(has_scopes=False).operator(token("one"), NOW).name == "one"


@pytest.mark.parametrize(
    ("client", "has_scopes", "problem"),
    [
        (None, True, "its claim client_id names no client"),
        ("", True, "its claim client_id names no client"),
        (["one"], True, "its claim client_id names no client"),
        ("none", True, "no scope of this region's operator systems, or more than one, has its client as client_id"),
        ("2", True, "no scope of this region's operator systems, or more than one, has its client as client_id"),
        ("CRM App", False, "the name of its client is no name of an operator system"),
    ],
)
def test_a_token_of_no_operator_system_is_refused_by_its_cause(client: object, has_scopes: bool, problem: str) -> None:
    with pytest.raises(TokenInvalid) as refused:
        tokens(has_scopes=has_scopes).operator(token(client), NOW)
    assert str(refused.value) == problem
