"""A second process whose place in a database or whose port is taken does not start, and does the first no harm."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.federation import COORDINATOR, FEDERATION
from deploy.local.profiles import Engine
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from tests.crash.regions import HANDLING
from tests.crash.scene import Scene

PATIENCE = 100.0
MODULES = {HANDLING: "region_node.cli.main", COORDINATOR: "coordinator.cli.main"}


@dataclass(frozen=True)
class Ended:
    """How the second process ended."""

    code: int
    said: str


def run_second(scene: Scene, name: str, **changed: str) -> Ended:
    """Runs a process by the settings of one that runs, with some of them changed."""
    flags = [flag for key, value in changed.items() for flag in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", MODULES[name], "serve", "--settings", str(scene.federation.settings_file(name))]
    ended = subprocess.run([*command, *flags], capture_output=True, check=False, text=True, timeout=PATIENCE)
    return Ended(ended.returncode, ended.stderr)


@pytest.mark.parametrize("name", MODULES)
def test_a_second_process_with_the_same_place_in_a_database_does_not_start_and_names_the_first(
    scene: Scene, name: str
) -> None:
    process = scene.federation.processes[name]
    port = process.program.port_file.read_text("ascii")
    ended = run_second(scene, name, listen="127.0.0.1:0")
    assert ended.code == 1
    if scene.engine is Engine.SQLITE:
        assert f"is in use by process {process.pid}" in ended.said
        assert f"/data/{name}/" in ended.said
    else:
        assert "is in use; at work there are" in ended.said
        assert f"crossregion/0/{process.pid}/" in ended.said
    assert "Traceback" not in ended.said
    assert process.program.port_file.read_text("ascii") == port
    scene.require_well()


@pytest.mark.slow
@pytest.mark.several_processes
def test_a_second_coordinator_with_an_embedded_registry_does_not_start_whatever_its_number(scene: Scene) -> None:
    first = scene.federation.processes[COORDINATOR]
    authority = Authority.load(scene.federation.directory / "authority")
    identity = Identity(FEDERATION, Role.ROLE_COORDINATOR, "", "1")
    files = scene.federation.issue(authority, identity, "coordinator-of-another-number")
    proof = {f"credentials.{key}": str(files / f"tls.{end}") for key, end in (("certificate", "crt"), ("key", "key"))}
    ended = run_second(scene, COORDINATOR, listen="127.0.0.1:0", number="1", **proof)
    assert ended.code == 1
    assert "the database, which it needs for itself, is in use" in ended.said
    assert f"crossregion/0/{first.pid}/" in ended.said
    scene.require_well()


@pytest.mark.slow
@pytest.mark.files
@pytest.mark.parametrize("name", MODULES)
def test_a_second_process_on_a_port_does_not_start_and_names_the_address(
    scene: Scene, name: str, tmp_path: Path
) -> None:
    process = scene.federation.processes[name]
    address = f"127.0.0.1:{int(process.program.port_file.read_text('ascii'))}"
    ended = run_second(scene, name, listen=address, data=str(tmp_path), port_file=str(tmp_path / "second.port"))
    assert ended.code == 1
    assert f"cannot listen on {address}" in ended.said
    assert "Traceback" not in ended.said
    assert not (tmp_path / "second.port").exists()
    scene.require_well()
