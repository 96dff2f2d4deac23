"""How the programs that a process runs end, and what it inherits of them."""

import signal
import subprocess
import sys

from gateway.process.children import ended

STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('runs', flush=True)\nsignal.pause()"
REAPING = """import os, subprocess
from gateway.process.children import reap
reap()
child = subprocess.Popen(["true"])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
reap()
print(os.path.exists(f"/proc/{child.pid}"))
"""


def test_a_program_is_told_to_end_and_killed_where_it_goes_on() -> None:
    for code, seconds, expected in (
        (STUBBORN, 0.1, signal.SIGKILL),
        (STUBBORN.replace("SIG_IGN", "SIG_DFL"), 60.0, signal.SIGTERM),
    ):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        with process, ended(process, seconds):
            assert process.stdout is not None
            process.stdout.readline()
        assert process.returncode == -expected


def test_an_ended_child_that_nobody_waits_for_is_taken_away() -> None:
    done = subprocess.run([sys.executable, "-c", REAPING], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
