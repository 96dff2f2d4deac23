"""An acknowledged write is on disk: the kernel syncs before the response leaves."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.local.process import wait_until
from gateway.store.sqlite import SqliteDatabase
from tests.crash.outcome import require_one_effect, require_refused, require_untouched
from tests.crash.regions import CALL_SECONDS, HANDLING
from tests.crash.scene import Scene

FULL = 2  # PRAGMA synchronous: sync the log after every commit
ORDERS = 5
# 1732459123.123456 fdatasync(12</data/region-node.sqlite-wal>) = 0 <0.000412>
_SYNCED = re.compile(r"^(\d+\.\d+) f(?:data)?sync\(\d+<[^>]*-wal>\) += 0 <(\d+\.\d+)>$", re.MULTILINE)


def cannot_trace(why: str) -> NoReturn:
    """Skips the test, except where everything has to be proven."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def traced(scene: Scene, directory: Path, *options: str) -> Iterator[Path]:
    """Traces the syncs of the origin region's node into files `trace.<thread>` of a directory."""
    program = shutil.which("strace")
    if program is None:
        cannot_trace("strace is not there")
    process = scene.federation.processes[HANDLING]
    said = directory / "strace.log"
    with said.open("wb") as log:
        command = [program, "-ff", "-ttt", "-T", "-y", *options, "-o", str(directory / "trace")]
        tracer = subprocess.Popen([*command, "-p", str(process.pid)], stdout=log, stderr=log)
        try:
            wait_until(
                lambda: tracer.poll() is not None or "attached" in said.read_text(), CALL_SECONDS, "strace attaches"
            )
            if tracer.poll() is not None:
                cannot_trace(f"strace may not attach here: {said.read_text().strip()}")
            yield directory
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)


def test_the_writing_connection_syncs_every_commit_and_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "test.sqlite"))
    assert database.connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
    assert database.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


@pytest.mark.guarantee("G1")
@pytest.mark.files
def test_every_order_is_synced_before_its_caller_is_told(scene: Scene, tmp_path: Path) -> None:
    scene.handling_to_coordinator.cut()  # so that no receipt is committed meanwhile
    requests, told = [scene.pay() for _ in range(ORDERS)], []
    with traced(scene, tmp_path, "-e", "trace=fsync,fdatasync"):
        for request in requests:
            asked = time.time()
            scene.submit(request)
            told.append((asked, time.time()))
    traces = "\n".join(path.read_text() for path in tmp_path.glob("trace.*"))
    ends = [float(start) + float(lasted) for start, lasted in _SYNCED.findall(traces)]
    for asked, answered in told:
        assert any(asked < end < answered for end in ends), (asked, answered, ends)
    scene.handling_to_coordinator.heal()
    for request in requests:
        require_one_effect(scene, request)


@pytest.mark.files
def test_an_order_whose_sync_fails_is_refused_and_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    request, before = scene.suspend(), scene.handling.sizes()
    failing = "inject=fsync,fdatasync:error=EIO"
    with traced(scene, tmp_path, "-e", "trace=fsync,fdatasync", "-e", failing):
        require_refused(scene.start_submit(request), "STORE_UNAVAILABLE")
        assert scene.handling.sizes() == before
        require_untouched(scene, request)
    assert "(INJECTED)" in "".join(path.read_text() for path in tmp_path.glob("trace.*"))
    scene.submit(request)
    require_one_effect(scene, request)
