"""Who signs revisions: what `federation validate` warns of."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from coordinator.cli.federation.federation import validate
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.files import dump
from tests.administrators import Administrators
from tests.shipped import shipped_configuration


@pytest.mark.parametrize(("threshold", "is_warned"), [(1, True), (2, False), (3, False)])
def test_a_federation_that_one_key_replaces_is_warned_of(tmp_path: Path, threshold: int, *, is_warned: bool) -> None:
    people = Administrators(tmp_path, "crossregion.example", ("li", "wang", "zhao"), threshold)
    files = tmp_path / "wanted"
    files.mkdir()
    for name, text in dump(people.configuration(shipped_configuration())).items():
        (files / name).write_text(text, encoding="utf-8")
    told = CliRunner().invoke(validate, [str(files)])
    warning = "warning: administration.threshold: is 1, so one stolen key decides where every order goes"
    assert (told.exit_code, warning in told.stderr) == (0, is_warned)


def test_a_configuration_that_nobody_signs_has_no_threshold(tmp_path: Path) -> None:
    for name, text in dump(Configuration(federation="crossregion.example")).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = CliRunner().invoke(validate, [str(tmp_path), "--json"])
    assert json.loads(told.stdout)["warnings"] == []
