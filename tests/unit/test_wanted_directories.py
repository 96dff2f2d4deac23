"""The directory of a configuration, compared with the one in force."""

import shutil
from pathlib import Path

import pytest

from coordinator.cli.federation.directories import read, read_valid, wanted_of
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone

SHIPPED = Path(__file__).parents[2] / "deploy" / "federation"


def test_a_precondition_that_nothing_checks_is_named_and_hinders_a_change_only_where_it_is_not_in_force(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "wanted"
    shutil.copytree(SHIPPED, directory)
    policies = directory / "policies.yaml"
    text = policies.read_text(encoding="utf-8")
    policies.write_text(text.replace("{value: 3, unit: UNIT_DAYS,", "{value: 3, unit: UNIT_COUNT,"), encoding="utf-8")
    configuration, found = read(directory)
    assert found, "validate names it"
    assert all("].preconditions: " in each for each in found)
    assert wanted_of(directory, configuration) == configuration
    with pytest.raises(NotDone):
        wanted_of(directory, Configuration())
    with pytest.raises(NotDone):
        read_valid(directory)
