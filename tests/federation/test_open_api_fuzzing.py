"""Schemathesis at the Open APIs of a real node: no request makes it fail, or answer other than described."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.web.refusals import STATUSES
from gateway.web.routes import Api, Route
from region_node.open_api.customers import CUSTOMER_TYPE
from region_node.open_api.product_orders import PRODUCT_ORDER
from region_node.open_api.served import served_apis
from region_node.open_api.trouble_tickets import TROUBLE_TICKET
from tests.federation.counter import Counter
from tests.federation.open_api_resources import KNOWN
from tests.federation.running import Federation
from tests.federation.web_caller import CLERK, WebCaller, web_caller
from tests.third_party.results import DESCRIBED, FILED, PRESENT, PROPERTY, Trial, Tried
from tests.unit.open_api_schemas import FILES, document_of

PROGRAM = Path(__file__).parents[2] / "build" / "schemathesis" / "bin" / "schemathesis"
VALID = """import json, sys
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
OPENAPI_31_VALIDATOR.validate(json.load(open(sys.argv[1])))"""
SECONDS = 540  # for one run, which takes a minute on a quiet machine
EXAMPLES = 25  # requests of an operation, beside those of the phase `coverage`
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SLOW = "--suppress-health-check=all"  # bodies of TM Forum's schemas take long to make up
EXTENSIONS = (PRODUCT_ORDER, TROUBLE_TICKET, CUSTOMER_TYPE)
APIS = pytest.mark.parametrize("api", served_apis(), ids=lambda api: api.root)


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """An operator system in Guangdong that nobody else is, with places and limits of its own."""
    return web_caller(federation, "region/guangdong/operator/fuzzing")


def program() -> Path:
    """Schemathesis. Skips the test where it is not installed; fails it with CI=true."""
    reason = "Schemathesis is not installed in build/schemathesis: `make schemathesis` does it"
    if not PROGRAM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return PROGRAM


async def require_conforming(
    web: WebCaller, schema: Path, root: str, trial: Trial, record: Callable[[str, object], None], *options: str
) -> None:
    """Runs Schemathesis with a description of the API, beside the node's event loop. Fails with what it found."""
    assert web.credentials is not None
    address = f"https://127.0.0.1:{web.port_file.read_text('ascii').strip()}"
    report = schema.parent / "report.json"
    command = [
        str(program()),
        "run",
        str(schema),
        f"--url={address}{root}",
        f"--request-cert={web.credentials.certificate}",
        f"--request-cert-key={web.credentials.key}",
        "--tls-verify=false",  # the node proves the name of its region, and not that of its address
        *(f"--header={name}: {value}" for name, value in CLERK.items()),
        f"--phases={trial.phases}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--no-color",
        f"--report-json-path={report}",
        f"--checks={','.join(CHECKS)}",
        *options,
    ]
    report.unlink(missing_ok=True)
    try:
        await require_done(command, schema.parent)
    finally:
        if report.exists():  # a run that takes too long has none
            record(PROPERTY, str(Tried.reported(root, trial, report.read_text("utf-8"))))


async def require_done(command: Sequence[str], directory: Path) -> None:
    """Runs a program beside the node's event loop."""

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False)

    ended = await asyncio.to_thread(run)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
@APIS
async def test_no_request_makes_the_node_fail_or_answer_other_than_it_describes(
    federation: Federation,
    web: WebCaller,
    guangdong: Counter,
    api: Api,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    program()
    document = (await web.ask("GET", f"{api.root}/openapi.json")).body
    document.pop("security")  # proofs of staff that are made up would let nothing pass the border
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(document))
    await require_done([str(program().parent / "python"), "-c", VALID, str(schema)], tmp_path)
    await require_conforming(web, schema, api.root, DESCRIBED, record_property)
    await name_known(federation, web, guangdong, api, tmp_path)
    await require_conforming(web, schema, api.root, PRESENT, record_property, "--mode=positive")


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
@APIS
async def test_answers_have_the_form_of_the_files_of_tm_forum(
    federation: Federation,
    web: WebCaller,
    guangdong: Counter,
    api: Api,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    program()
    document = as_served(FILES[api.root], api)
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(document))
    await name_known(federation, web, guangdong, api, tmp_path)
    served = [f"--include-name={route.verb} {route.path}" for route in api.routes if _operation(document, route)]
    await require_conforming(web, schema, api.root, FILED, record_property, "--mode=positive", SLOW, *served)


@APIS
def test_every_route_is_in_the_file_of_tm_forum_but_for_the_reading_of_listeners(api: Api) -> None:
    document = as_served(FILES[api.root], api)
    beyond = {f"{route.verb} {route.path}" for route in api.routes if not _operation(document, route)}
    assert beyond <= {"GET /hub", "GET /hub/{id}"}


def as_served(name: str, api: Api) -> Mapping[str, object]:
    """The file of TM Forum, apart from the differences that are meant."""
    # A node is reached at many addresses: its links are references that are relative to that which the caller used.
    text = json.dumps(document_of(name), default=str).replace('"format": "uri"', '"format": "uri-reference"')
    # The types of which an object has one overlap: `@type` says which, and Schemathesis does not read it.
    document = json.loads(text.replace('"oneOf"', '"anyOf"'))
    # TMF642 describes the id of an alarm as a number, and as a text in its own paths.
    for definition in document.get("definitions", {}).values():
        if definition.get("properties", {}).get("id", {}).get("type") == "integer":
            definition["properties"]["id"] = {"type": "string"}
    # TMF630 has `@type` name an extension of a type of the file, which is its `@baseType`.
    for schema in document.get("components", {}).get("schemas", {}).values():
        known = schema.get("discriminator", {}).get("mapping", {})
        known |= {each.type: known[each.base] for each in EXTENSIONS if each.base in known}
    for operation in filter(None, (_operation(document, route) for route in api.routes)):
        # An answer to `fields` leaves out attributes that the file requires of every answer.
        asked = operation.get("parameters", [])
        operation["parameters"] = [each for each in asked if each.get("name") != "fields"]
        responses = operation["responses"]
        for status in STATUSES:  # a file names some of these alone, or one answer for all of them
            responses.setdefault(str(int(status)), responses.get("400", responses.get("default")))
    made: Mapping[str, object] = document
    return made


def _operation(document: Mapping[str, Any], route: Route) -> dict[str, Any]:
    """The operation of a route in a file; empty for the list of listeners, of which TM Forum has none."""
    found: dict[str, Any] = document["paths"][route.path].get(route.verb.lower(), {})
    return found


async def name_known(federation: Federation, web: WebCaller, guangdong: Counter, api: Api, directory: Path) -> None:
    """Has requests for one resource ask for one that is there, by its headers."""
    found = []
    for route in api.routes:
        path, _, by_id = route.path.rpartition("/")
        if by_id == "{id}" and f"{api.root}{path}" in KNOWN:
            known = await KNOWN[f"{api.root}{path}"](federation, web, guangdong)
            headers = {f"header.{name}": value for name, value in known.headers.items()}
            found.append(_parameters(route.path, {"path.id": known.id, **headers}))
            found += [_parameters(path, headers)] if headers else []
    (directory / "schemathesis.toml").write_text("\n".join(found))


def _parameters(path: str, values: Mapping[str, str]) -> str:
    """The lines by which requests below a path have these values."""
    told = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items())
    return f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ {told} }}\n'
