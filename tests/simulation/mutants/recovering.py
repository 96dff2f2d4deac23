"""Defects of a region whose database lacks what others have seen."""

from datetime import datetime

import pytest

from gateway.auditing.audit import Head
from gateway.store.losses import OwnCommits
from region_node.lifecycle.recovery.catching_up import CatchingUp
from region_node.lifecycle.recovery.keeper import FenceKeeper
from region_node.lifecycle.recovery.receipts import ReceiptComparison


def older_database_believed(patch: pytest.MonkeyPatch) -> None:
    """A process compares its chain with nothing that others have seen."""

    async def compare_with_nothing(self: FenceKeeper, witness: str, head: Head, last_time: datetime | None) -> None:
        """Believes the database."""

    patch.setattr(FenceKeeper, "compare_with", compare_with_nothing)


def receipts_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    """A process compares its chain with heads of coordinators alone."""

    async def ask_nobody(self: ReceiptComparison) -> bool:
        return True

    patch.setattr(ReceiptComparison, "compare", ask_nobody)


def lost_commits_overwritten(patch: pytest.MonkeyPatch) -> None:
    """A process takes over the count of a database that it has reached again, and does not compare it."""

    def take_over(self: OwnCommits, found: int) -> int:
        self.made = found
        return 0

    patch.setattr(OwnCommits, "reached", take_over)


def others_not_asked_after_a_loss(patch: pytest.MonkeyPatch) -> None:
    """A region goes on with what its database has."""

    async def ask_nobody(self: CatchingUp) -> bool:
        return True

    patch.setattr(CatchingUp, "catch_up", ask_nobody)
