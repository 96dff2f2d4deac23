"""The findings of `region-node doctor` about the file of the region's keys."""

import json
from pathlib import Path

import pytest

from gateway.security.region_keys import KeySet
from tests.contract.programs import REGION_NODE, Installation
from tests.sealing import Sealing


@pytest.fixture(name="node")
def an_installed_node(tmp_path: Path) -> Installation:
    return Installation.make(REGION_NODE, tmp_path)


def checked(node: Installation) -> tuple[str, str, str]:
    """State, finding and advice."""
    told = node.run("doctor", "--json")
    (found,) = (each for each in json.loads(told.stdout)["checks"] if each["name"] == "region keys")
    return found["state"], found["found"], found["todo"]


@pytest.mark.parametrize(("mode", "expected", "said"), [(0o600, "good", "is in use"), (0o640, "warning", "its group")])
def test_a_file_that_is_there_is_good_if_it_is_closed_to_others(
    node: Installation, mode: int, expected: str, said: str
) -> None:
    Path(node.settings["keys"]).chmod(mode)
    state, found, _ = checked(node)
    assert (state, said in found) == (expected, True)


def test_a_file_that_everybody_may_read_is_to_be_closed_and_its_key_replaced(node: Installation) -> None:
    Path(node.settings["keys"]).chmod(0o644)
    state, found, todo = checked(node)
    assert (state, "everybody may read it" in found) == ("bad", True)
    assert "chmod 600" in todo
    assert "region-node keys rotate" in todo


def test_a_file_that_is_missing_or_broken_is_told_with_what_to_do(node: Installation) -> None:
    file = Path(node.settings["keys"])
    file.write_text("index")
    state, found, todo = checked(node)
    assert (state, "holds no keys of a region" in found) == ("bad", True)
    file.unlink()
    state, found, todo = checked(node)
    assert (state, "No such file" in found, "region-node keys create" in todo) == ("bad", True, True)


def test_keys_that_are_not_those_of_the_database_are_found(node: Installation) -> None:
    file = Path(node.settings["keys"])
    assert node.run("migrate").exit_code == 0
    Sealing(node.place, file).seal("customer/1", b"sealed")
    former = KeySet.load(file).in_use.id
    assert checked(node)[0] == "good"
    KeySet.new().save(file)
    state, found, todo = checked(node)
    assert (state, f"lacks {former}" in found, bool(todo)) == ("bad", True, True)
