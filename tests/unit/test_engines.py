"""Tests that need a server which is not there are skipped loudly, and fail where everything has to be proven."""

import pytest

from tests.engines import Engine, require_engine

MISSING = Engine("no-such-service", "no-such-package", lambda: False)
REASON = "a server is missing: no-such-service .install the package no-such-package."


def test_a_server_that_is_there_is_used() -> None:
    require_engine(Engine("no-such-service", "no-such-package", lambda: True))


def test_without_it_the_reason_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=REASON):
        require_engine(MISSING)


def test_in_ci_its_absence_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=REASON):
        require_engine(MISSING)
