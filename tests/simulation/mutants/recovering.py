"""Defects of a region whose database lacks what others have seen."""

import pytest

from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.store.losses import OwnCommits
from gateway.store.port import Transaction
from region_node.lifecycle.recovery.catching_up import CatchingUp
from region_node.lifecycle.recovery.receipts import ReceiptComparison


def older_database_believed(patch: pytest.MonkeyPatch) -> None:
    """A process compares its chain with nothing that others have seen."""

    def lacks_nothing(tx: Transaction, seen: Head, incarnation: int) -> bool:
        return False

    patch.setattr(audit, "lacks", lacks_nothing)


def receipts_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    """A process compares its chain with heads of coordinators alone."""

    async def keep_none(self: ReceiptComparison) -> None:
        """Has nothing to ask."""

    async def ask_nobody(self: ReceiptComparison) -> bool:
        return True

    patch.setattr(ReceiptComparison, "keep_questions", keep_none)
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
