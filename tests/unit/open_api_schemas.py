"""What a resource of an Open API is told as, against the schema of TM Forum and that of its own type."""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from region_node.open_api.extension import Extension

FOLDERS = [each / "shared" / "data" / "tmf" for each in Path(__file__).parents]
"""The places where TM Forum's files may be: beside this project, or above."""
DEVELOPMENT = "comes with the packages for development"
FILES: Mapping[str, str] = {
    "/tmf-api/productOrderingManagement/v4": "TMF622-ProductOrder-v4.0.0.swagger.json",
    "/tmf-api/troubleTicket/v4": "TMF621-TroubleTicket-v4.0.0.swagger.json",
    "/tmf-api/customerManagement/v4": "TMF629-Customer-v4.0.0.swagger.json",
    "/tmf-api/serviceProblemManagement/v4": "TMF656-ServiceProblem-v4.0.0.swagger.json",
    "/tmf-api/alarm/v4": "TMF642-Alarm-v4.0.0.swagger.json",
    "/tmf-api/productCatalogManagement/v4": "TMF620-ProductCatalog-v4.0.0.swagger.json",
    "/tmf-api/customerBillManagement/v4": "TMF678-CustomerBill-v4.0.0.swagger.json",
    "/tmf-api/productOrdering/v5": "TMF622-ProductOrdering-v5.0.0.oas.yaml",
    "/tmf-api/troubleTicket/v5": "TMF621-Trouble_Ticket-v5.0.1.oas.yaml",
    "/tmf-api/productCatalogManagement/v5": "TMF620-Product_Catalog_Management-v5.0.0.oas.yaml",
    "/tmf-api/serviceProblemManagement/v5": "TMF656-Service_Problem_Management-v5.0.0.oas.yaml",
    "/tmf-api/customerBillManagement/v5": "TMF678-CustomerBill-v5.0.0.oas.yaml",
    "/tmf-api/customerManagement/v5": "TMF629-Customer_Management-v5.0.1.oas.yaml",
}
"""TM Forum's file of each API, and of each that is left out whole."""


def file_of(name: str) -> Path:
    """A file of TM Forum's. Skips the test without it."""
    found = next((each / name for each in FOLDERS if (each / name).is_file()), None)
    if found is None:
        pytest.skip("TM Forum's OpenAPI files are not on this machine")
    return found


@cache
def document_of(name: str) -> Mapping[str, Any]:
    """What is in a file of TM Forum's: JSON of version 4, YAML of version 5."""
    text = file_of(name).read_text("utf-8")
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    made: Mapping[str, Any] = json.loads(text) if name.endswith(".json") else yaml.load(text, loader)
    return made


def require_own_schema(told: Mapping[str, object], extension: Extension) -> None:
    """Fails where what is told beyond TM Forum differs from the schema that it names."""
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    validator = jsonschema.Draft7Validator(extension.schema())
    assert [error.message for error in validator.iter_errors(dict(told))] == []


def require_schema(file: str, name: str, told: Mapping[str, object], extension: Extension | None) -> None:
    """Fails where what is told differs from a definition of TM Forum's file, or has more than it and the extension.

    So does each object in it that names a type of the file.
    """
    document = document_of(file)
    place = "definitions" if "definitions" in document else "components/schemas"
    known = _below(document, place)
    _require(document, f"#/{place}/{name}", told, set() if extension is None else extension.paths.keys())
    for each in _objects(list(told.values())):
        if each.get("@type") in known:
            _require(document, f"#/{place}/{each['@type']}", each, ())


def _require(document: Mapping[str, Any], reference: str, told: Mapping[str, object], beyond: Collection[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    # Types of which an object has one overlap: its `@type` says which.
    usual = jsonschema.Draft4Validator
    validator = jsonschema.validators.extend(usual, {"oneOf": usual.VALIDATORS["anyOf"]})
    schema = {**document, "$ref": reference}
    assert [error.message for error in validator(schema).iter_errors(dict(told))] == []
    assert told.keys() <= {*_properties(document, schema), *beyond}, reference


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in a value, at any depth."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """The attributes of a schema, and of those that it is made of."""
    yield from schema.get("properties", ())
    for each in schema.get("allOf", ()):
        yield from _properties(document, each)
    if "$ref" in schema:
        yield from _properties(document, _below(document, schema["$ref"].removeprefix("#/")))


def _below(document: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    found = document
    for part in place.split("/"):
        found = found[part]
    return found
