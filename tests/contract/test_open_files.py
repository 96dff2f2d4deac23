"""A process may have as many files open as the system lets it: each connection is one."""

import resource
import subprocess
import sys
import textwrap

SERVES = """
    import resource
    from gateway.process.running import run_process

    async def main() -> None:
        print(*resource.getrlimit(resource.RLIMIT_NOFILE))

    run_process(main)
"""


def test_a_process_that_serves_raises_its_limit_of_open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -S -n 256; exec "$0" -c "$1"', sys.executable, textwrap.dedent(SERVES)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == [str(most), str(most)]
