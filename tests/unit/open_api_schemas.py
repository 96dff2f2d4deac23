"""What a resource of an Open API is told as, against the schema of TM Forum and that of its own type."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from region_node.open_api.extension import Extension

FOLDERS = [each / "shared" / "data" / "tmf" for each in Path(__file__).parents]
"""The places where TM Forum's files may be: beside this project, or above."""
DEVELOPMENT = "comes with the packages for development"


def file_of(name: str) -> Path:
    """A file of TM Forum's. Skips the test without it."""
    found = next((each / name for each in FOLDERS if (each / name).is_file()), None)
    if found is None:
        pytest.skip("TM Forum's OpenAPI files are not on this machine")
    return found


def require_own_schema(told: Mapping[str, object], extension: Extension) -> None:
    """Fails where what is told beyond TM Forum differs from the schema that it names."""
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    validator = jsonschema.Draft7Validator(extension.schema())
    assert [error.message for error in validator.iter_errors(told)] == []


def require_schema(file: str, name: str, told: Mapping[str, object], extension: Extension | None) -> None:
    """Fails where what is told differs from a definition of TM Forum's file, or has more than it and the extension."""
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    definitions = json.loads(file_of(file).read_text(encoding="utf-8"))["definitions"]
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    assert [error.message for error in jsonschema.Draft4Validator(schema).iter_errors(told)] == []
    beyond = set() if extension is None else extension.paths.keys()
    assert told.keys() <= definitions[name]["properties"].keys() | beyond
