"""A process ends in order after a stop signal, at any stage of its start."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from deploy.local.process import wait_until
from tests.contract.programs import COORDINATOR, PATIENCE_S, REGION_NODE, Installation, ended

_HANGING = """
import asyncio, contextlib, threading
from gateway.process import running
running.STOP_SECONDS = 0.2
async def start():
    rest = contextlib.AsyncExitStack()
    rest.push_async_callback(asyncio.get_running_loop().run_in_executor, None, threading.Event().wait)
    asyncio.get_running_loop().call_soon(lambda: print("runs", flush=True))
    return running.Running(0, [], rest)
running.run_process(lambda: running.serve(start()))
"""

_HANGING_WHILE_IT_STARTS = """
import asyncio, threading
from gateway.process import running
running.STOP_SECONDS = 0.2
async def start():
    asyncio.get_running_loop().call_soon(lambda: print("runs", flush=True))
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
running.run_process(lambda: running.serve(start()))
"""
_WITH_TELEMETRY = """
import asyncio, contextlib
from gateway.process import running, telemetry
telemetry.EXPORT_SECONDS = 0.2
async def start():
    rest = contextlib.AsyncExitStack()
    told = telemetry.Telemetry.of("region-node", "sichuan")
    rest.callback(told.shutdown)
    told.meter.create_counter("calls").add(1)
    told._spans.get_tracer("calls").start_span("call").end()
    asyncio.get_running_loop().call_soon(lambda: print("runs", flush=True))
    return running.Running(0, [], rest)
running.run_process(lambda: running.serve(start()))
"""


@pytest.mark.parametrize("name", [REGION_NODE, COORDINATOR])
def test_a_process_that_is_told_to_stop_while_it_starts_ends_in_order(name: str, tmp_path: Path) -> None:
    installed = Installation.make(name, tmp_path)
    process = installed.start("serve")
    wait_until(lambda: handles_sigterm(process.pid), PATIENCE_S, "the process can be told to stop")
    process.send_signal(signal.SIGTERM)
    code, _, errors = ended(process)
    assert code == 0, errors
    assert "Traceback" not in errors
    assert not Path(installed.settings["port_file"]).exists()
    with installed.serving():
        pass


@pytest.mark.parametrize("name", [REGION_NODE, COORDINATOR])
def test_a_process_that_is_told_to_stop_as_soon_as_its_port_is_known_ends_in_order(name: str, tmp_path: Path) -> None:
    installed = Installation.make(name, tmp_path)
    for _ in range(5):
        with installed.serving() as process:
            pass
        assert process.last_lines(1).endswith("stopped")


@pytest.mark.parametrize("program", [_HANGING, _HANGING_WHILE_IT_STARTS], ids=["serves", "starts"])
def test_a_process_whose_database_hangs_ends_without_it(program: str, tmp_path: Path) -> None:
    code, errors = stopped(program, tmp_path)
    assert code == 1
    assert "takes up what was left" in errors


def test_a_process_whose_telemetry_is_never_taken_ends_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as collector:  # connections wait there, and nobody answers
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
        code, errors = stopped(_WITH_TELEMETRY, tmp_path)
    assert code == 0, errors
    assert "Traceback" not in errors


def stopped(program: str, directory: Path) -> tuple[int, str]:
    """How a program ends that is told to stop once it runs: its exit code, and its errors."""
    file = directory / "program.py"
    file.write_text(program, "utf-8")
    with subprocess.Popen([sys.executable, file], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        process.send_signal(signal.SIGTERM)
        code, _, errors = ended(process)
    return code, errors


def handles_sigterm(pid: int) -> bool:
    """Whether a process has a handler of its own for it (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))
