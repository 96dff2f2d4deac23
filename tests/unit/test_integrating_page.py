"""docs/integrating.md says of names, reasons and repeats what the code holds."""

import re
from pathlib import Path

import grpc

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import is_temporary, status_code
from gateway.security.identity import parse, server_name

PAGE = (Path(__file__).parents[2] / "docs" / "integrating.md").read_text("utf-8")
FEDERATION = "crossregion.example"


def test_the_forms_of_certificates_are_those_that_a_node_reads() -> None:
    forms = re.findall(r"`(spiffe://<federation>/[^`]+)`", PAGE)
    filled = [form.replace("<federation>", FEDERATION).replace("<region>", "henan") for form in forms]
    roles = [parse(uri.replace("<name>", "crm"), FEDERATION).role for uri in filled]
    assert roles == [Role.ROLE_OPERATOR, Role.ROLE_STAFF, Role.ROLE_ADMIN]


def test_the_names_of_servers_are_those_that_they_prove() -> None:
    for role, region in ((Role.ROLE_REGION, "guangdong"), (Role.ROLE_COORDINATOR, "")):
        assert server_name(role, region, FEDERATION).replace(FEDERATION, "<federation>") in PAGE


def test_the_statuses_to_repeat_are_those_of_what_may_succeed_later() -> None:
    (row,) = [line for line in PAGE.splitlines() if "the same request with the same id again" in line]
    named = {code for code in grpc.StatusCode if code.name in row}
    assert named == {status_code(reason) for reason in Reason.values() if reason and is_temporary(reason)}


def test_the_reasons_that_it_names_exist() -> None:
    for reason in ("DEADLINE_MISSING", "REQUEST_ID_REUSED"):
        assert reason in PAGE
        assert f"REASON_{reason}" in Reason.keys()
