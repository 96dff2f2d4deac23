"""The generated code follows the contract, and code that does not is found."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.values.names import name_of

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ROOT / "protos" / "generate.py"
CONTRACT = """
syntax = "proto3";
package gateway.api.probe.v1;
service ProbeService {
  rpc Probe(ProbeRequest) returns (ProbeResponse);
}
message ProbeRequest {}
message ProbeResponse {}
enum Colour { COLOUR_UNSPECIFIED = 0; }
enum Shape { SHAPE_UNSPECIFIED = 0; }
"""


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GENERATE), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a contract of one service, its code generated."""
    made = tmp_path_factory.mktemp("generated")
    contract = made / "protos/gateway/api/probe/v1/probe.proto"
    contract.parent.mkdir(parents=True)
    contract.write_text(CONTRACT)
    done = generate(made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def root(generated: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for a test to change."""
    return shutil.copytree(generated, tmp_path, dirs_exist_ok=True)


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
    generated = root / "gateway/api/probe/v1/probe_pb2.py"
    before = generated.read_text()
    generated.write_text(before.replace("for _enum in (Colour, Shape,):", "for _enum in ():"))
    assert generated.read_text() != before, "the values of both enums are made attributes"
    assert generate(root, "--check").returncode == 1


def test_every_value_of_every_enum_of_the_contract_is_an_attribute() -> None:
    wrong, enums = [], 0
    for path in sorted((ROOT / "gateway/api").rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name in module.DESCRIPTOR.enum_types_by_name:
            enum: EnumTypeWrapper = getattr(module, name)
            enums += 1
            wrong += [
                f"{name}.{value}"
                for value, number in enum.items()
                if vars(enum).get(value) != number or name_of(enum, number) != enum.Name(number)
            ]
    assert enums > 0
    assert wrong == []


def test_a_value_that_an_enum_does_not_have_is_no_attribute_and_has_no_name() -> None:
    unknown = "MEMBER_STATE_ELSEWHERE"
    with pytest.raises(AttributeError, match=unknown):
        getattr(MemberState, unknown)
    with pytest.raises(ValueError, match="4096"):
        name_of(MemberState, 4096)


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
