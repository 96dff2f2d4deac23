"""Defects in how a node takes the time of day."""

import pytest

from gateway.time.agreed_clock import AgreedClock


def gate_of_the_clock_left_out(patch: pytest.MonkeyPatch) -> None:
    """The node goes by the clock of its machine, whatever others say."""
    patch.setattr(AgreedClock, "now", AgreedClock.wall)
    patch.setattr(AgreedClock, "is_settled", lambda clock: True)
    patch.setattr(AgreedClock, "require_trusted", lambda clock: None)
