"""No test has more time than its worker: a worker that ends takes all its other tests with it."""

from collections.abc import Sequence

import pytest


def beyond(items: Sequence[pytest.Item], end: float) -> list[str]:
    """The tests whose timeout is not below `end` seconds."""
    marked = ((item.nodeid, item.get_closest_marker("timeout")) for item in items)
    return [name for name, mark in marked if mark is not None and mark.args[0] >= end]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuses to begin with tests that may outlast their worker."""
    end = float(session.config.getini("faulthandler_timeout"))
    late = beyond(session.items, end)
    if late:
        raise pytest.UsageError(f"faulthandler_timeout of {end:g} s is not above the timeout of {', '.join(late)}")
