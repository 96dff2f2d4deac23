"""The deliveries of a process to a system beside its node."""

import logging

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from region_node.node.deliveries import Deliveries


def deliver(deliveries: Deliveries, failure: Exception | None = None) -> None:
    with deliveries.delivery():
        if failure is not None:
            raise failure


def fail(deliveries: Deliveries) -> None:
    with pytest.raises(Unreachable):
        deliver(deliveries, Unreachable("away"))


def test_a_system_fails_from_the_first_failure_to_the_next_accepted_delivery(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr("region_node.node.deliveries.time.monotonic", lambda: now)
    caplog.set_level(logging.WARNING)
    found = Deliveries("notices")
    deliver(found)
    fail(found)
    now = 130.0
    fail(found)
    assert (found.accepted, found.failed, found.failing()) == (1, 2, 30.0)
    assert len(caplog.records) == 1, "the log names a failing system once a minute"
    now = 170.0
    fail(found)
    assert [each.levelname for each in caplog.records] == ["WARNING", "ERROR"]
    deliver(found)
    assert (found.accepted, found.failed, found.failing()) == (2, 3, 0.0)


def test_a_system_that_gets_no_delivery_any_more_fails_no_longer_and_again_from_its_next_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("region_node.node.deliveries.time.monotonic", lambda: now)
    found = Deliveries("listeners")
    fail(found)
    now += 1800.0
    assert found.failing() == 1800.0
    now += 1.0
    assert found.failing() == 0.0, "the listener was removed"
    fail(found)
    now += 5.0
    assert found.failing() == 5.0


def test_a_refusal_of_the_store_within_a_delivery_says_nothing_of_the_system() -> None:
    found = Deliveries("notices")
    with pytest.raises(Refused):
        deliver(found, Refused(Reason.REASON_STORE_UNAVAILABLE))
    assert (found.accepted, found.failed, found.failing()) == (0, 0, 0.0)
