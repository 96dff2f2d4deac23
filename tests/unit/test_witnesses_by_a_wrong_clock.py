"""Statements to witnesses, and their answers: none is dated by a clock that is known to be wrong."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TypeVar, cast

import pytest

from gateway.api.region.v1.witnessing_pb2 import WitnessAnswer
from gateway.errors import Refused
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.relay.transport import Transport
from gateway.store.port import Operation, Store
from gateway.store.sqlite import SqliteTransaction
from gateway.time.agreed_clock import AgreedClock
from region_node.node.witnessing import notifier, rows
from region_node.node.witnessing.notifier import WitnessNotifier, WitnessNotifierPorts
from tests.contract.relay_pair import DESTINATION, ORIGIN, FixedClock, Pair
from tests.empty_database import empty_database
from tests.keys import region_keys

T = TypeVar("T")

YEAR = timedelta(days=365)


class Machine(FixedClock):
    """A machine whose time of day may be wrong."""

    error = timedelta(0)

    def now(self) -> datetime:
        return self.instant + self.error


class Scene:
    """A region with one witness, on a machine whose clock is right at first."""

    def __init__(self, tx: SqliteTransaction, patch: pytest.MonkeyPatch) -> None:
        self.tx, self.machine = tx, Machine()
        self.steps = timedelta(0)
        """By how much the machine steps while the witness answers."""
        self.statements = list[str]()
        """The ids of their envelopes."""
        border = replace(Pair().borders[ORIGIN], clock=AgreedClock(self.machine))

        async def done(operation: Operation[T]) -> T:
            return operation(tx)

        store = cast("Store", SimpleNamespace(read=done, write=done, lost_commits=0))
        patch.setattr(notifier, "candidates", lambda border: [DESTINATION])
        patch.setattr(Asker, "ask", lambda asker, outgoing, *_, **__: self._answered(outgoing))
        self.notifier = WitnessNotifier(
            WitnessNotifierPorts(
                border,
                store,
                cast("Transport", None),
                random.Random(1),
                destroy_again=lambda tx, key_ids, now: 0,
                compare=lambda tx, whom, head, now: None,
            )
        )

    async def _answered(self, outgoing: OutgoingEnvelope) -> bytes:
        self.statements.append(outgoing.envelope_id)
        self.machine.error += self.steps
        answer = WitnessAnswer()
        answer.held_revision.revision = 7
        return answer.SerializeToString()

    def refused(self) -> str:
        """The refusal of a look at the witnesses; empty where it was gone through."""
        try:
            asyncio.run(self.notifier.tell())
        except Refused as refused:
            return str(refused)
        return ""

    def heard(self) -> int:
        """How many witnesses have told which configuration they hold."""
        return self.tx.first(int, "SELECT count(*) FROM told_revisions") or 0


@pytest.fixture(name="scene")
def region_with_a_witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield Scene(SqliteTransaction(connection, region_keys()), monkeypatch)


def test_no_witness_is_claimed_nor_told_by_a_wrong_clock_and_it_is_once_the_clock_is_right(scene: Scene) -> None:
    scene.machine.error = YEAR
    assert "CLOCK_UNTRUSTED" in scene.refused()
    assert not rows.known_witnesses(scene.tx)
    assert not scene.statements
    scene.machine.error = timedelta(0)
    assert not scene.refused()
    [witness] = rows.known_witnesses(scene.tx)
    assert witness.asked == scene.machine.instant
    assert len(scene.statements) == 1
    assert scene.heard() == 1


def test_an_answer_that_comes_after_the_clock_has_stepped_is_not_dated_by_it(scene: Scene) -> None:
    scene.steps = YEAR
    assert "CLOCK_UNTRUSTED" in scene.refused()
    assert len(scene.statements) == 1
    assert not scene.heard()
