"""`region-node keys`: made once, rotated while a node serves, pruned when nothing needs the former keys any more."""

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import region_node.cli.main
from deploy.local.process import wait_until
from gateway.security.region_keys import KeySet
from tests.contract.programs import PATIENCE_S, REGION_NODE, Installation
from tests.sealing import Sealing

SECRET = "欧阳娜娜".encode()
MINUTE = 60.0


def keys(*words: str) -> Result:
    """The command, without settings."""
    return CliRunner().invoke(region_node.cli.main.main, ["keys", *words])


@pytest.fixture(name="node")
def an_installed_node(tmp_path: Path) -> Installation:
    return Installation.make(REGION_NODE, tmp_path)


def file_of(node: Installation) -> Path:
    """The node's file of keys."""
    return Path(node.settings["keys"])


def let_it_settle(file: Path) -> None:
    """As if the file had changed a minute ago."""
    os.utime(file, (time.time() - MINUTE, time.time() - MINUTE))


def status(node: Installation) -> list[tuple[str, bool, int, bool]]:
    """The output of `keys status --json`."""
    told = json.loads(node.run("keys", "status", "--json").stdout)
    assert told["file"] == str(file_of(node))
    return [(each["id"], each["in_use"], each["wraps"], each["missing"]) for each in told["keys"]]


def sealing(node: Installation) -> Sealing:
    """Seals beside the node, whose database is made where there is none."""
    if not node.file.exists():
        assert node.run("migrate").exit_code == 0
    return Sealing(node.place, file_of(node))


def test_keys_are_made_closed_to_others_and_never_over_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "region.keys"
    made = keys("create", str(file))
    assert (made.exit_code, KeySet.load(file).in_use.id in made.output) == (0, True)
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    again = keys("create", str(file))
    assert (again.exit_code, "could not be read any more" in again.output) == (1, True)
    assert file.read_bytes() == content
    assert keys("create", str(tmp_path / "nowhere" / "region.keys")).exit_code == 1


def test_a_rotation_puts_a_new_key_first_and_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "region.keys"
    keys("create", str(file))
    before = KeySet.load(file)
    rotated = keys("rotate", str(file))
    after = KeySet.load(file)
    assert (rotated.exit_code, after.in_use.id in rotated.output) == (0, True)
    assert (after.index, after.wrapping[1:]) == (before.index, before.wrapping)
    assert after.in_use.secret != before.in_use.secret
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("nothing")
    assert keys("rotate", str(file)).exit_code == 1
    assert file.read_text() == "nothing"


def test_the_file_of_the_settings_is_rotated_where_none_is_named(node: Installation) -> None:
    sealing(node)
    before = KeySet.load(file_of(node)).in_use.id
    rotated = node.run("keys", "rotate")
    after = KeySet.load(file_of(node)).in_use.id
    assert (rotated.exit_code, after in rotated.output) == (0, True), rotated.output
    assert before != after


def test_a_rotation_without_file_and_settings_is_a_wrong_call() -> None:
    assert keys("rotate").exit_code == 2


@pytest.mark.slow
def test_no_command_tells_a_key(node: Installation) -> None:
    sealing(node).seal("customer/1", SECRET)
    said = [keys("rotate", str(file_of(node))).output]
    said += [node.run("keys", *words).output for words in (["status"], ["status", "--json"], ["prune"])]
    lines = [line for line in file_of(node).read_text().splitlines() if not line.startswith("#")]
    assert not any(line.split()[2] in text for line in lines for text in said)


def test_the_status_says_which_key_wraps_how_much_and_which_is_missing(node: Installation) -> None:
    sealing(node).seal_all(["customer/1", "customer/2"], SECRET)
    former = KeySet.load(file_of(node)).in_use.id
    keys("rotate", str(file_of(node)))
    in_use = KeySet.load(file_of(node)).in_use.id
    assert status(node) == [(in_use, True, 0, False), (former, False, 2, False)]
    told = node.run("keys", "status")
    assert told.exit_code == 0
    assert [line.split()[0] for line in told.stdout.splitlines()[1:]] == [in_use, former]
    KeySet.load(file_of(node)).without([former]).save(file_of(node))
    assert status(node) == [(in_use, True, 0, False), (former, False, 2, True)]
    told = node.run("keys", "status")
    assert (told.exit_code, f"lacks {former}" in told.output) == (1, True)
    assert node.run("keys", "prune").exit_code == 1


def test_former_keys_are_pruned_when_they_wrap_nothing_and_the_nodes_have_seen_the_file(node: Installation) -> None:
    file = file_of(node)
    sealed = sealing(node).seal_all(["customer/1"], SECRET)
    keys("rotate", str(file))
    told = node.run("keys", "prune")
    assert (told.exit_code, "has just changed" in told.output) == (1, True)
    let_it_settle(file)
    told = node.run("keys", "prune")
    assert (told.exit_code, ": 1; wait until" in told.output) == (1, True)
    assert len(KeySet.load(file).wrapping) == 2
    with node.serving():
        wait_until(lambda: status(node)[0][2] == 1, PATIENCE_S, "the node wraps by the new key")
        told = node.run("keys", "prune")
        assert (told.exit_code, "former keys removed: 1" in told.output) == (0, True), told.output
        assert len(KeySet.load(file).wrapping) == 1
        let_it_settle(file)
        assert node.run("keys", "prune").exit_code == 0
    assert sealing(node).content_of(sealed) == {SECRET}


def test_a_node_that_serves_wraps_anew_without_a_restart_and_leaves_a_broken_file_alone(node: Installation) -> None:
    file = file_of(node)
    sealed = sealing(node).seal_all([f"customer/{each}" for each in range(700)], SECRET)
    with node.serving() as process:
        good = KeySet.load(file)
        file.write_text("index")
        log = process.program.log
        wait_until(lambda: "keys stay as they are" in log.read_text(), PATIENCE_S, "the node says that it is broken")
        good.rotated().save(file)
        in_use = KeySet.load(file).in_use.id
        wait_until(lambda: sealing(node).wrapped() == {in_use: 700}, PATIENCE_S, "everything is wrapped by the new key")
        assert sealing(node).content_of(sealed) == {SECRET}
        wait_until(lambda: f"are wrapped by the region's key {in_use}" in log.read_text(), PATIENCE_S, "it says so")


def test_what_cannot_be_looked_at_is_a_wrong_usage(node: Installation) -> None:
    let_it_settle(file_of(node))
    for words in (["status"], ["prune"]):
        told = node.run("keys", *words)
        assert (told.exit_code, "there is no such database" in told.output) == (2, True), told.output
    file_of(node).unlink()
    assert node.run("keys", "status").exit_code == 2
