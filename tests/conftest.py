"""What every test may ask for, and how tests are shared out among workers."""

from collections.abc import Sequence

import pytest

from gateway.languages import VARIABLE

pytest_plugins = ["tests.engines"]

_ENGINES = ("databases", "running_scene")


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever language a command was asked for in a test, the tests after it hear English."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("LANGUAGE", "en")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """The tests of a file with one engine go to one worker, which then starts their federation once."""
    for item in items:
        called = getattr(item, "callspec", None)
        engine = next((called.params[name] for name in _ENGINES if name in called.params), "") if called else ""
        group = f"{item.path.stem}-{engine}" if engine else item.path.stem
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{group}"))
