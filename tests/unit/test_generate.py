"""The generated code follows the contract, and code that does not is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GENERATE = Path(__file__).resolve().parents[2] / "protos" / "generate.py"
CONTRACT = """
syntax = "proto3";
package gateway.api.probe.v1;
service ProbeService {
  rpc Probe(ProbeRequest) returns (ProbeResponse);
}
message ProbeRequest {}
message ProbeResponse {}
"""


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GENERATE), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a contract of one service, its code generated."""
    contract = tmp_path / "protos/gateway/api/probe/v1/probe.proto"
    contract.parent.mkdir(parents=True)
    contract.write_text(CONTRACT)
    done = generate(tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_a_proto_file_gives_messages_stubs_and_their_types(root: Path) -> None:
    names = {path.name for path in (root / "gateway/api/probe/v1").iterdir()}
    assert names == {
        "__init__.py",
        "probe_pb2.py",
        "probe_pb2.pyi",
        "probe_pb2_grpc.py",
        "probe_pb2_grpc.pyi",
    }
    assert generate(root, "--check").returncode == 0


def test_a_changed_contract_makes_the_code_stale(root: Path) -> None:
    contract = root / "protos/gateway/api/probe/v1/probe.proto"
    contract.write_text(CONTRACT.replace("message ProbeRequest {}", "message ProbeRequest { string note = 1; }"))
    done = generate(root, "--check")
    assert done.returncode == 1
    assert "gateway/api/probe/v1/probe_pb2.py: stale" in done.stderr
    assert generate(root).returncode == 0
    assert generate(root, "--check").returncode == 0


def test_code_edited_by_hand_is_stale(root: Path) -> None:
    (root / "gateway/api/probe/v1/probe_pb2.py").write_text("edited = True\n")
    assert generate(root, "--check").returncode == 1


def test_code_without_a_contract_is_left_over_until_it_is_generated_anew(root: Path) -> None:
    stray = root / "gateway/api/old/v1/old_pb2.py"
    stray.parent.mkdir(parents=True)
    stray.touch()
    done = generate(root, "--check")
    assert done.returncode == 1
    assert "gateway/api/old/v1/old_pb2.py: left over" in done.stderr
    assert generate(root).returncode == 0
    assert not (root / "gateway/api/old").exists()


def test_a_servicer_is_told_the_message_that_its_context_writes(root: Path) -> None:
    types = (root / "gateway/api/probe/v1/probe_pb2_grpc.pyi").read_text()
    assert "ServicerContext[_probe_pb2.ProbeRequest, _probe_pb2.ProbeResponse]" in types


def test_a_contract_that_does_not_compile_is_told_in_the_compilers_words(root: Path) -> None:
    (root / "protos/gateway/api/probe/v1/probe.proto").write_text("syntax = 'proto3'; message {")
    done = generate(root)
    assert done.returncode == 1
    assert "probe.proto" in done.stderr
