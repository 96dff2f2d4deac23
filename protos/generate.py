"""Generates `gateway/api` from the contract in this folder.

    python protos/generate.py            write the generated code
    python protos/generate.py --check    fail, naming the files, if the checked-in code is stale

A proto file `gateway/api/x/v1/y.proto` gives `y_pb2.py`, `y_pb2.pyi`, `y_pb2_grpc.py` and `y_pb2_grpc.pyi` in
`gateway/api/x/v1`, so that its package, its folder and its Python package are the same words.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = Path("gateway/api")

# mypy-protobuf types a servicer's context by what the handler takes and returns, grpc.aio by the messages themselves.
CONTEXT = re.compile(r"ServicerContext\[.*\](?=,$)", re.MULTILINE)
WRAPPED = re.compile(r"_abc\.(?:Awaitable|AsyncIterator)\[([^\[\]]+)\]")
ENUM = re.compile(r"^class _(\w+)EnumTypeWrapper\(", re.MULTILINE)  # in a stub; enums within messages are indented

# grpc_tools generates one class for channels of threads and of asyncio; mypy-protobuf types it for asyncio alone here,
# since its own way for both repeats every comment and takes the name of the class for threads.
STUB = re.compile(r"^class (\w+)Stub:\n.*?(?=^class )", re.MULTILINE | re.DOTALL)
MADE = "    def __init__(self, channel: _aio.Channel) -> None: ...\n"
METHOD = re.compile(r"^    (\w+): _aio\.(.+)$", re.MULTILINE)
IMPORTED = "from grpc import aio as _aio\n"
FOR_BOTH = """\
    @_typing.overload
    def __new__(cls, channel: _aio.Channel) -> _typing.Self: ...
    @_typing.overload
    def __new__(cls, channel: _grpc.Channel) -> {name}BlockingStub: ...
"""
BLOCKING = """\
@_typing.type_check_only
class {name}BlockingStub({name}Stub):
    \"\"\"The same over a channel of threads.\"\"\"

    def __new__(cls, channel: _grpc.Channel) -> _typing.Self: ...
{methods}

"""

# protobuf looks up a value in the descriptor of its enum at each access, which takes 20 times as long as an attribute.
VALUES = """
for _enum in ({names},):
    _enum.__dict__.update(_enum.items())
"""


def typed_for_both(stub: str) -> str:
    """A stub file of mypy-protobuf for asyncio, with the types of calls by threads added."""

    def widen(found: re.Match[str]) -> str:
        name, methods = found[1], METHOD.findall(found[0])
        widened = found[0].replace(MADE, FOR_BOTH.format(name=name))
        lines = "\n".join(f"    {method}: _grpc.{kind}" for method, kind in methods)
        return widened + BLOCKING.format(name=name, methods=lines)

    return STUB.sub(widen, stub).replace(IMPORTED, f"{IMPORTED}import grpc as _grpc\nimport typing as _typing\n")


class GenerationError(Exception):
    """The contract could not be compiled; the compiler's own words say why."""


def proto_files(protos: Path) -> list[str]:
    """The contract's files, relative to `protos`, in a stable order."""
    return sorted(path.relative_to(protos).as_posix() for path in (protos / API).rglob("*.proto"))


def generate(protos: Path, target: Path) -> None:
    """Compiles all of `protos` into `target`.

    Raises GenerationError when there is no contract or the compiler refuses it.
    """
    names = proto_files(protos)
    if not names:
        raise GenerationError(f"no .proto file in {protos / API}")
    scripts = Path(sys.executable).parent
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={protos}",
        f"--proto_path={files('grpc_tools').joinpath('_proto')}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet,only_async:{target}",
        *names,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise GenerationError(done.stderr.strip() or f"the compiler ended with status {done.returncode}")
    for stub in target.rglob("*_pb2_grpc.pyi"):
        asyncio_alone = CONTEXT.sub(lambda found: WRAPPED.sub(r"\1", found[0]), stub.read_text())
        stub.write_text(typed_for_both(asyncio_alone))
    for stub in target.rglob("*_pb2.pyi"):
        if enums := ENUM.findall(stub.read_text()):
            with stub.with_suffix(".py").open("a") as messages:
                messages.write(VALUES.format(names=", ".join(enums)))
    for folder in [target / API, *(path for path in (target / API).rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()


def contents(root: Path) -> dict[str, bytes]:
    """What stands under `root/gateway/api`, by path relative to `root`, without Python's caches."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / API).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def stale(fresh: dict[str, bytes], present: dict[str, bytes]) -> list[str]:
    """The paths on which the generated code and the checked-in code disagree, each with how."""
    return [
        f"{name}: {'missing' if name not in present else 'left over' if name not in fresh else 'stale'}"
        for name in sorted(fresh.keys() | present.keys())
        if fresh.get(name) != present.get(name)
    ]


def write(fresh: dict[str, bytes], root: Path) -> None:
    """Makes `root/gateway/api` equal to `fresh`; files that did not change keep their time stamp."""
    present = contents(root)
    for name in present.keys() - fresh.keys():
        (root / name).unlink()
    for name, data in fresh.items():
        if present.get(name) != data:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for folder in sorted((path for path in (root / API).rglob("*") if path.is_dir()), reverse=True):
        if not any(path.name != "__pycache__" for path in folder.iterdir()):
            shutil.rmtree(folder)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; 0 when the generated code was written or is fresh, 1 otherwise."""
    parser = argparse.ArgumentParser(description="Generate gateway/api from the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the code is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that holds protos/ and gateway/")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            generate(root / "protos", Path(scratch))
        except GenerationError as error:
            print(error, file=sys.stderr)
            return 1
        fresh = contents(Path(scratch))
    if not options.check:
        write(fresh, root)
        print(f"generated {len(fresh)} files in {API}")
        return 0
    complaints = stale(fresh, contents(root))
    if complaints:
        print(
            "gateway/api does not match protos/; run `make generate`:",
            *complaints,
            sep="\n  ",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
