"""The files that a process may have open at a time, of which each connection is one."""

import contextlib
import resource


def allow_most_open_files() -> None:
    """Raises the limit of this process to the most that the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a most that they refuse: there the limit stays.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
