"""Fixtures for every test."""

import gc
import signal

import pytest
from hypothesis import settings

from gateway.process.running import GARBAGE_THRESHOLD
from gateway.wording.languages import VARIABLE

pytest_plugins = ["tests.engines", "tests.durations", "tests.failures", "tests.timeouts", "tests.tokens"]


def pytest_configure() -> None:
    """Makes tests the same on a busy machine and in the background.

    A run in the background ignores interrupts, and so would every process that a test interrupts.
    """
    settings.register_profile("unhurried", settings(), deadline=None)
    settings.load_profile("unhurried")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores English after a test in another language."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("LANGUAGE", "en")


def pytest_collection_finish() -> None:
    """Leaves what all tests need to itself: a worker holds some million objects, and would visit them over and over."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
