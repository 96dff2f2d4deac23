"""Fixtures for every test."""

import gc
import os
import signal

import grpc  # noqa: F401 - first: gRPC imported by a command speaks TLS 1.3 alone, and one test needs TLS 1.2
import pytest
from hypothesis import settings

from gateway.process.running import GARBAGE_THRESHOLD
from gateway.security.tls_version import CIPHERS_OF_TLS_1_2
from gateway.wording.languages import VARIABLE

pytest_plugins = ["tests.engines", "tests.durations", "tests.failures", "tests.timeouts", "tests.tokens"]


def pytest_configure() -> None:
    """Makes tests the same on a busy machine and in the background.

    A run in the background ignores interrupts, and so would every process that a test interrupts. A command that a
    test file imports has set the ciphers of TLS 1.2 for its own process: the workers of the run inherit nothing of it.
    """
    os.environ.pop(CIPHERS_OF_TLS_1_2[0], None)
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
