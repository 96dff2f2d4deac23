"""A failure is printed when it happens, as a run that is cut off has no summary; and no test uses up the machine."""

import resource

import pytest

_MEMORY = 6 << 30  # bytes of a worker and of each process it starts; the largest of the first tier take about 1


def pytest_configure(config: pytest.Config) -> None:
    """Limits each process that runs tests, and prints in the one that hears of all."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Failures(config))


class _Failures:
    """Of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Prints a failure, also that of a worker that died."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_line(f"\n{report.nodeid} ({report.when})\n{report.longreprtext}")
