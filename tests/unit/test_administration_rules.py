"""Who signs revisions: what `federation validate` warns of."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from coordinator.cli.federation.federation import validate
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.administration_rules import administration_problems, administration_warnings
from gateway.federation.files import dump, load
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


def administrators_in(directory: Path, names: Sequence[str], threshold: int) -> None:
    """Writes the file of administrators; a threshold of 0 is left out."""
    directory.mkdir()
    configuration = Administrators(directory, "crossregion.example", names, threshold).configuration(Configuration())
    for name, text in dump(configuration).items():
        (directory / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("written", "expected"), [(0, 2), (1, 1), (3, 3)])
def test_two_administrators_sign_unless_the_files_write_another_threshold_out(
    tmp_path: Path, written: int, expected: int
) -> None:
    administrators_in(tmp_path / "wanted", ("li", "wang", "zhao"), written)
    assert load(tmp_path / "wanted").administration.threshold == expected


def test_one_administrator_alone_signs_only_where_the_files_say_so(tmp_path: Path) -> None:
    administrators_in(tmp_path / "silent", ("li",), 0)
    assert list(administration_problems(load(tmp_path / "silent").administration)) == [
        "administration.threshold: is 2; must be 1 to 1, the number of administrators"
    ]
    administrators_in(tmp_path / "written", ("li",), 1)
    found = load(tmp_path / "written").administration
    assert (list(administration_problems(found)), len(administration_warnings(found))) == ([], 1)


def test_a_configuration_that_nobody_signs_has_no_threshold(tmp_path: Path) -> None:
    for name, text in dump(Configuration(federation="crossregion.example")).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = CliRunner().invoke(validate, [str(tmp_path), "--json"])
    warnings = json.loads(told.stdout)["warnings"]
    assert [each for each in warnings if each.startswith("administration")] == []
