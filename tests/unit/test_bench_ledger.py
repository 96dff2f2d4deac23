"""The ledger of an order: calls that a process counts, and the functions that it looks for."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc.aio._call
import pytest

from gateway.rpc.interceptor import BorderInterceptor
from gateway.store.commit_queue import CommitQueue
from tests.bench.counted import FILE
from tests.bench.ledger import lines_of

PROGRAM = """
import hashlib, os, signal, threading

def work():
    hashlib.sha256(b"")

work()
os.kill(os.getpid(), signal.SIGUSR1)
for _ in range(3):
    work()
other = threading.Thread(target=work)
other.start()
other.join()
os.kill(os.getpid(), signal.SIGUSR2)
work()
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the profiler counts the calls of one thread alone")
def test_a_program_counts_the_calls_of_all_its_threads_between_two_signals(tmp_path: Path) -> None:
    (tmp_path / "counted_program.py").write_text(PROGRAM, "utf-8")
    counts = tmp_path / "counts.json"
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "tests.bench.counted", "counted_program"],
        env={FILE: str(counts), "PYTHONPATH": f"{root}:{tmp_path}"},
        check=True,
        timeout=60,
    )
    found = json.loads(counts.read_text("utf-8"))
    assert found[f"{tmp_path / 'counted_program.py'}:work"] == 4
    assert lines_of(found, 2)["calls of Python functions"] >= 2


def test_each_function_of_this_project_that_the_ledger_looks_for_exists() -> None:
    known = {
        "gRPC calls served": BorderInterceptor._enter,
        "gRPC calls made": grpc.aio._call.UnaryUnaryCall.__init__,
        "commits": CommitQueue._settle,
        "hand-overs to a thread": ThreadPoolExecutor.submit,
    }
    for label, function in known.items():
        assert lines_of({f"file.py:{function.__qualname__}": 3}, 1)[label] == 3, label
