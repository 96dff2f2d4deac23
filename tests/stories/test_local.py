"""A federation for people on this machine: its output can be pasted, and it leaves nothing behind."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.__main__ import RUNS, STOPPED
from deploy.local.process import wait_until
from tests.engines import ETCD, POSTGRESQL, require_engine
from tests.stories.commands import running

ROOT = Path(__file__).parents[2]
SECONDS = 100  # a busy machine needs many times the usual ten seconds
PROCESSES = {
    "embedded": {"coordinator", "guangdong", "sichuan", "sichuan-systems", "henan"},
    "production": {
        *("coordinator-0", "coordinator-1", "guangdong-0", "guangdong-1", "sichuan", "sichuan-systems", "henan"),
        *("etcd-0", "etcd-1", "etcd-2", "postgresql"),
    },
}
_LISTED = re.compile(r"^ *([a-z0-9-]+) +(\d+) +127\.0\.0\.1:\d+ ", re.MULTILINE)

pytestmark = pytest.mark.timeout(2 * SECONDS)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files that PostgreSQL's user can pass through, too."""
    place = Path(tempfile.mkdtemp(prefix="local-"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


@contextmanager
def local(profile: str, directory: Path, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """The command at work; ended when the test leaves."""
    if profile == "production":
        require_engine(ETCD)
        require_engine(POSTGRESQL)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with running(["deploy.local", "--profile", profile], directory, environment, SECONDS) as process:
        yield process


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The output of a process up to the line with a text."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without saying {text!r}: {said}")


def left_of(*places: Path) -> list[str]:
    """The command lines of all processes of this machine that name one of these places."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(f"{place}/" in command for place in places):
            found.append(command)
    return found


@pytest.mark.long("a federation of real processes starts and stops")
@pytest.mark.parametrize(
    ("profile", "by"), [pytest.param("production", signal.SIGTERM, marks=pytest.mark.slow), ("embedded", signal.SIGINT)]
)
def test_it_runs_what_it_lists_does_what_it_prints_and_leaves_nothing_running(
    tmp_path: Path, temporary: Path, profile: str, by: signal.Signals
) -> None:
    directory = tmp_path / "federation"
    with local(profile, directory, temporary) as process:
        said = read_until(process, RUNS)
        listed = {name: int(pid) for name, pid in _LISTED.findall(said)}
        assert listed.keys() == PROCESSES[profile], said
        running = left_of(directory, temporary)
        assert len(running) >= len(listed)
        lines = [line for line in said.splitlines() if " call " in line or " regions list " in line]
        assert len(lines) == 3 + sum("coordinator" in name for name in listed)
        for line in lines:
            called = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False, timeout=SECONDS)
            assert called.returncode == 0, called.stderr
        process.send_signal(by)
        rest, _ = process.communicate()
        assert process.returncode == 0, rest
        assert STOPPED in rest
        assert "Traceback" not in said + rest
    assert left_of(directory, temporary) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in listed.values())
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["initdb", "main migrate", "region_node.cli.main serve"])
def test_interrupted_while_it_starts_it_stops_what_it_has_started(tmp_path: Path, temporary: Path, moment: str) -> None:
    directory = tmp_path / "federation"
    with local("production", directory, temporary) as process:
        said = read_until(process, "Starting")
        wait_until(lambda: any(moment in command for command in left_of(directory, temporary)), SECONDS, moment)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
        assert process.returncode == 0, rest
        assert STOPPED in rest
        assert "Traceback" not in said + rest
    assert left_of(directory, temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_what_a_killed_one_left_running_is_stopped_by_the_script_in_its_directory(
    tmp_path: Path, temporary: Path
) -> None:
    directory = tmp_path / "federation"
    with local("production", directory, temporary) as process:
        read_until(process, RUNS)
        process.kill()
        process.wait()
        assert len(left_of(directory, temporary)) >= len(PROCESSES["production"])
        stopping = subprocess.run(["/bin/sh", str(directory / "stop")], capture_output=True, text=True, check=True)
        assert {line.split()[1] for line in stopping.stdout.splitlines()} == PROCESSES["production"]
    assert left_of(directory, temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_one_that_runs_is_left_alone_by_a_second_one_and_a_dead_one_is_replaced(
    tmp_path: Path, temporary: Path
) -> None:
    directory = tmp_path / "federation"
    with local("embedded", directory, temporary) as process:
        listed = {int(pid) for _, pid in _LISTED.findall(read_until(process, RUNS))}
        second = subprocess.run(
            [sys.executable, "-m", "deploy.local", "--directory", str(directory)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert second.returncode == 1
        assert "runs already" in second.stderr
        assert f"sh {directory}/stop" in second.stderr
        assert len(listed) == len(PROCESSES["embedded"])
        assert all(Path(f"/proc/{pid}").exists() for pid in listed)
        process.kill()
        process.wait()
        for pid in listed:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: left_of(directory) == [], SECONDS, "they are gone")
    (directory / "pids").write_text(f"{os.getpid()}\tTERM\t{directory}/gone\t-\tsichuan\n", "utf-8")
    with local("embedded", directory, temporary) as process:
        read_until(process, RUNS)


def test_a_directory_that_holds_something_else_is_not_touched(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me", "utf-8")
    with local("embedded", tmp_path, temporary) as process:
        said, _ = process.communicate()
        assert process.returncode == 1
    assert "nothing was touched" in said
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
