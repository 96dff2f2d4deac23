"""A batch from its start to its commit in one instant of virtual time."""

from collections.abc import Sequence

from gateway.store.group_commit import Outcome, finish_batch, start_batch
from gateway.store.port import Database, Operation


def run_batch(database: Database, operations: Sequence[Operation[object]]) -> list[Outcome]:
    """Runs operations in one commit, or each in its own where one of them failed; one outcome each, in order."""
    return finish_batch(database, operations, start_batch(database, operations))
