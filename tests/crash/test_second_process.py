"""A second process on a database or a port that is taken does not start, says why, and does the first no harm."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.scene import COORDINATOR, HANDLING, Scene

PATIENCE = 30.0
MODULES = {HANDLING: "region_node.cli.main", COORDINATOR: "coordinator.cli.main"}


@dataclass(frozen=True)
class Ended:
    """How the second process ended."""

    code: int
    said: str


def run_second(scene: Scene, name: str, directory: Path, **changed: str) -> Ended:
    """Runs a process by the settings of one that runs, with some of them changed."""
    original = scene.federation.settings_file(name)
    text = original.read_text("utf-8")
    for key, value in changed.items():
        text, count = re.subn(rf'^{key} = ".*"$', f'{key} = "{value}"', text, flags=re.MULTILINE)
        assert count == 1, f"the settings have no {key}"
    settings = original.parent / f"second-{directory.name}.toml"
    settings.write_text(text, "utf-8")
    command = [sys.executable, "-m", MODULES[name], "serve", "--settings", str(settings)]
    ended = subprocess.run(command, capture_output=True, check=False, text=True, timeout=PATIENCE)
    return Ended(ended.returncode, ended.stderr)


@pytest.mark.parametrize("name", MODULES)
def test_a_second_process_on_a_database_does_not_start_and_names_the_first(
    scene: Scene, name: str, tmp_path: Path
) -> None:
    process = scene.federation.processes[name]
    port = process.program.port_file.read_text("ascii")
    ended = run_second(scene, name, tmp_path, listen="127.0.0.1:0")
    assert ended.code == 1
    assert f"is in use by process {process.pid}" in ended.said
    assert f"/data/{name}/" in ended.said
    assert "Traceback" not in ended.said
    assert process.program.port_file.read_text("ascii") == port
    scene.require_well()


@pytest.mark.parametrize("name", MODULES)
def test_a_second_process_on_a_port_does_not_start_and_names_the_address(
    scene: Scene, name: str, tmp_path: Path
) -> None:
    process = scene.federation.processes[name]
    address = f"127.0.0.1:{int(process.program.port_file.read_text('ascii'))}"
    ended = run_second(
        scene, name, tmp_path, listen=address, data=str(tmp_path), port_file=str(tmp_path / "second.port")
    )
    assert ended.code == 1
    assert f"cannot listen on {address}" in ended.said
    assert "Traceback" not in ended.said
    assert not (tmp_path / "second.port").exists()
    scene.require_well()
