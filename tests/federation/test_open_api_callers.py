"""Scopes, proofs, revocations and suspensions count for each route of the Open APIs as for its RPC."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from tests.federation.databases import Databases
from tests.federation.running import Federation, running, until
from tests.federation.test_access import answer
from tests.federation.test_open_api_access import DENIED, method, routes
from tests.federation.test_revocation import publish, serial_of, signed
from tests.federation.web_caller import web_caller

REGION = "guangdong"
SCOPES = """
[narrow]
services = ["OrderService", "AlarmService", "ListenerService"]
businesses = ["*"]

[wide]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
staff = "named"

[proving]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
"""
MISSING, UNPROVEN, REVOKED = "OPERATOR_SCOPE_MISSING", "STAFF_NOT_PROVEN", "CERTIFICATE_REVOKED"
CALLERS: Mapping[str, set[str]] = {
    "operator/narrow": {DENIED, MISSING},
    "operator/wide": {DENIED},
    "operator/proving": {DENIED, UNPROVEN},
    "operator/without-scope": {DENIED, MISSING},
    "staff/wang": {DENIED},
}
"""Callers of the region, with all that they are refused for because of who they are."""
PROVEN = "operator/proving"
PASSED = "PASSED"


def about_the_caller(code: str) -> str:
    """The code of a refusal for who somebody is; `PASSED` for anything else."""
    return code if code in (DENIED, MISSING, UNPROVEN, REVOKED) else PASSED


async def at_both_doors(federation: Federation, name: str) -> set[str]:
    """What a caller is refused for because of who it is, at any route; each door says the same of it."""
    caller, found, wrong = f"region/{REGION}/{name}", set[str](), []
    proof = federation.staff_proof(caller)
    web = web_caller(federation, caller, {"Requester-Proof": f"Bearer {proof}"} if proof else {})
    channel = federation.dial_node(REGION, caller)
    for path, route in routes():
        asked = await web.ask(route.verb, path, b"{}" if route.verb in ("POST", "PATCH") else None)
        code = str(asked.body["code"]) if asked.status >= HTTPStatus.BAD_REQUEST else PASSED
        by_http = about_the_caller(code)
        # Of several RPCs the message decides: an empty one may be for any of them.
        by_grpc = [await answer(channel, method(each)) for each in (route.rpc, *route.others)]
        doors = {PASSED if told is None else about_the_caller(told.reason) for told in by_grpc}
        found.add(by_http)
        if by_http not in doors:
            wrong.append(f"{name}: {route.verb} {path}: {code}, and {doors} by gRPC")
    assert not wrong, "\n".join(wrong)
    return found - {PASSED}


async def test_each_caller_is_refused_by_each_route_for_what_its_rpc_refuses_it_for(
    databases: Databases, tmp_path: Path
) -> None:
    file = tmp_path / "operators.toml"
    file.write_text(SCOPES)
    async with running(tmp_path, databases, (REGION, "henan")) as federation:
        await federation.stop_node(REGION)
        federation.operators[REGION] = file
        federation.open_web(REGION)
        await federation.start_node(REGION)
        assert {name: await at_both_doors(federation, name) for name in CALLERS} == CALLERS
        federation.acting[f"region/{REGION}/{PROVEN}"] = "wang"
        assert await at_both_doors(federation, PROVEN) == {DENIED}
        await federation.suspend(REGION)
        assert await at_both_doors(federation, PROVEN) == {DENIED}
        await federation.reinstate(REGION)  # a suspended region is told no revocations
        revoked = [f"region/{REGION}/{name}" for name in CALLERS]
        serials = [serial_of(federation, each) for each in revoked]
        await publish(federation, signed(federation, 5, *serials))

        async def is_known() -> bool:
            told = await answer(federation.dial_node(REGION, revoked[0]), method(next(routes())[1].rpc))
            return told is not None and told.reason == REVOKED

        await until(is_known, "the node knows the revoked certificates")
        assert [await at_both_doors(federation, each) for each in CALLERS] == [{REVOKED}] * len(CALLERS)
