"""The clients that integrators copy, in Python, JavaScript, TypeScript and Java, work against a node as they are."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.clients.python.packing import OrderRefused, Packing
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation.commands import as_caller
from tests.federation.counter import Counter
from tests.federation.running import Federation

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
PYTHON = ROOT / "deploy" / "clients" / "python"
CLIENTS = ROOT / "deploy" / "clients"
INSTALLED = ROOT / "build" / "clients"
SECONDS = 60  # for a whole run, which takes two
COMPILING = 240  # seconds, of which a compiler takes ten on a machine with nothing else to do


def nodejs(client: str) -> str:
    """The program. Skips the test where it, or what the client needs, is not installed; fails it with CI=true."""
    program = shutil.which("node")
    lock = (CLIENTS / client / name for name in ("package.json", "package-lock.json", ".npmrc"))
    wanted = hashlib.sha256(b"".join(each.read_bytes() for each in lock)).hexdigest()
    stamp = INSTALLED / client / "node_modules" / ".stamp"
    if program is None or not stamp.exists() or not stamp.read_text("utf-8").startswith(wanted):
        missing("Node.js, or what the client needs, is not installed (nodejs and npm, then `make clients`)")
    return program


def missing(reason: str) -> NoReturn:
    """Skips the test of a client whose tools are not installed; fails it with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiler's output for the contract, without other parts of this project."""
    target = tmp_path_factory.mktemp("generated")
    protos = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    places = [f"--proto_path={PROTOS}", f"--proto_path={files('grpc_tools').joinpath('_proto')}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *places, f"--python_out={target}"]
    subprocess.run([*command, f"--grpc_python_out={target}", *protos], check=True, timeout=SECONDS)
    return target


def test_the_code_that_the_guide_shows_stands_in_the_clients_as_it_is() -> None:
    guide = (ROOT / "docs" / "integrating.md").read_text("utf-8")
    shown = re.findall(r"^```(typescript|java)\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert {language for language, _ in shown} == {"typescript", "java"}
    sources = {"typescript": "typescript/client.ts", "java": "java/Client.java"}
    for language, code in shown:
        source = (CLIENTS / sources[language]).read_text("utf-8")
        for part in code.split("\n\n"):
            lines = part.strip("\n")
            assert lines in cuts(source, lines.count("\n") + 1), lines


def cuts(source: str, count: int) -> Iterator[str]:
    """Every run of so many lines of a text, without the indentation that they share."""
    lines = source.splitlines()
    return (textwrap.dedent("\n".join(lines[at : at + count])) for at in range(len(lines) - count + 1))


async def printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The output of a program, run beside the node's event loop."""

    def run() -> "subprocess.CompletedProcess[str]":
        given = {"PATH": os.environ["PATH"], **environment}
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=SECONDS, check=False)

    ended = await asyncio.to_thread(run)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout


async def require_done(federation: Federation, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs a client for a customer of another region: each step goes as it says, and the node has it so."""
    number = await Counter(federation, "sichuan").new_customer()
    caller = as_caller(federation, "guangdong", "operator/counter")
    told = [json.loads(line) for line in (await printed([*command, number], {**caller, **environment})).splitlines()]
    assert [step["did"] for step in told] == [
        "submitted",
        "submitted again",
        "submitted with another content",
        "watched",
        "cancelled",
        "complained",
    ]
    submitted, again, another, watched, cancelled, complained = told
    assert {step["order"] for step in (submitted, again, watched, cancelled)} == {submitted["order"]}
    assert submitted["state"] == again["state"] == "ORDER_STATE_IN_PROGRESS"
    assert (another["status"], another["reason"]) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert cancelled["state"] == "ORDER_STATE_CANCELLED"
    assert re.fullmatch(r"guangdong/\d{8}-\d+", complained["ticket_id"])
    order = await Counter(federation, "guangdong").get(submitted["order"])
    assert (order.request.number, order.cancellation_reason) == (number, "changed my mind")
    assert dict(order.request.characteristics)["reason"] == "abroad", "the first content stands"


async def test_the_client_in_python_needs_the_contract_alone(federation: Federation, generated: Path) -> None:
    for module in PYTHON.glob("*.py"):
        source = module.read_text("utf-8")
        own = re.findall(
            r"^(?:from|import) ((?:gateway|region_node|coordinator|deploy|tests)\b\S*)", source, re.MULTILINE
        )
        assert own, module
        assert [name for name in own if not name.startswith("gateway.api.")] == [], module
    python, environment = [sys.executable, "-P"], {"PYTHONPATH": str(generated)}
    where = await printed([*python, "-c", "import gateway.api.region.v1 as api; print(*api.__path__)"], environment)
    assert where.strip() == str(generated / "gateway/api/region/v1"), "not the code that this project ships"
    await require_done(federation, [*python, str(PYTHON / "client.py")], environment)


async def test_orders_that_are_packed_by_the_module_to_copy_are_decided_by_the_home_regions(
    federation: Federation,
) -> None:
    guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
    number = await sichuan.new_customer(balance=0)
    payment, ids = guangdong.request("PAY", number), [federation.next_id() for _ in range(40)]
    async with Packing(guangdong.orders) as packing:
        orders = await asyncio.gather(*(packing.submit(each, payment, 20.0) for each in ids))
        again = await packing.submit(ids[0], payment, 20.0)
        with pytest.raises(OrderRefused) as refused:
            await packing.submit(ids[0], guangdong.request("PAY", number, amount="1"), 20.0)
    assert [order.id for order in orders] == [f"guangdong/counter/{each}" for each in ids]
    assert {order.state for order in orders} == {OrderState.ORDER_STATE_COMPLETED}
    assert again == orders[0]
    assert refused.value.error.reason == Reason.REASON_REQUEST_ID_REUSED
    assert await sichuan.balance(number) == len(ids) * 5000


async def test_the_client_in_nodejs_does_the_same(federation: Federation) -> None:
    environment = {"NODE_PATH": str(INSTALLED / "nodejs" / "node_modules"), "PROTOS": str(PROTOS)}
    await require_done(federation, [nodejs("nodejs"), str(CLIENTS / "nodejs" / "client.js")], environment)


@pytest.mark.slow
async def test_the_client_in_typescript_is_compiled_with_generated_code_and_does_the_same(
    federation: Federation, tmp_path: Path
) -> None:
    program, installed = nodejs("typescript"), INSTALLED / "typescript" / "node_modules"
    for name in ("client.ts", "buf.gen.yaml", "tsconfig.json", "package.json"):
        shutil.copy(CLIENTS / "typescript" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(installed)
    binaries = (installed / ".bin", Path(sys.executable).parent)
    environment = {"PATH": os.pathsep.join([*map(str, binaries), os.environ["PATH"]]), "HOME": str(tmp_path)}
    errors = CLIENTS / "nodejs" / "errors.proto"
    for command in (
        ["buf", "generate", str(PROTOS)],
        ["buf", "generate", str(errors.parent), "--path", str(errors)],
        ["tsc"],
    ):
        made = await compiled(command, tmp_path, environment)
        assert made.returncode == 0, made.stdout + made.stderr
    await require_done(federation, [program, str(tmp_path / "built" / "client.js")], {})


@pytest.mark.slow
async def test_the_client_in_java_is_compiled_with_generated_code_and_does_the_same_by_tls_1_3(
    federation: Federation, tmp_path: Path
) -> None:
    build, made = CLIENTS / "java" / "build.sh", tmp_path / "made here"
    ended = await compiled(["sh", str(build), str(PROTOS), str(made)], tmp_path, {"PATH": os.environ["PATH"]})
    if ended.returncode == os.EX_UNAVAILABLE:
        missing(ended.stderr)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    await require_done(federation, ["sh", str(made / "client")], {})


async def compiled(
    command: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """The end of a compiler, which runs beside the node's event loop."""
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMPILING,
        check=False,
    )
