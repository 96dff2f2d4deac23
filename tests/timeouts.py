"""No test has more time than its worker: a worker that ends takes all its other tests with it."""

import pytest


def outlasts(item: pytest.Item, end: float) -> bool:
    """Whether the timeout that marks a test is not below `end` seconds."""
    mark = item.get_closest_marker("timeout")
    return mark is not None and bool(mark.args[0] >= end)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fails a test that may outlast its worker."""
    end = float(item.config.getini("faulthandler_timeout"))
    if outlasts(item, end):
        pytest.fail(f"its timeout is not below faulthandler_timeout, {end:g} s", pytrace=False)
