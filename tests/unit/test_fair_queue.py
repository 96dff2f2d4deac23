"""The order in which a lane sends."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay.envelopes import Sealed
from gateway.relay.fair_queue import FairQueue, QueuedEnvelope

PLENTY = 10_000_000  # bytes


def queued(
    envelope_id: str, *, operator: str = "counter", subject: str = "", bulk: bool = False, size: int = 100
) -> QueuedEnvelope:
    content = EnvelopeContent(id=envelope_id, operator=operator, subject=subject or envelope_id, bulk=bulk)
    return QueuedEnvelope(Sealed(Envelope(content=bytes(size)), content))


def filled(*queued_envelopes: QueuedEnvelope) -> FairQueue:
    queue = FairQueue()
    for each in queued_envelopes:
        queue.put(each)
    return queue


def ids(queued_envelopes: Sequence[QueuedEnvelope]) -> list[str]:
    return [each.envelope_id for each in queued_envelopes]


def test_what_came_first_leaves_first() -> None:
    assert ids(filled(queued("1"), queued("2"), queued("3")).take(10, PLENTY)) == ["1", "2", "3"]


@pytest.mark.clause("1.1.1")
def test_operators_take_turns_however_much_one_of_them_sends() -> None:
    queue = filled(*(queued(f"a{number}", operator="a") for number in range(4)), queued("b0", operator="b"))
    queue.put(queued("c0", operator="c"))
    assert ids(queue.take(4, PLENTY)) == ["a0", "b0", "c0", "a1"]


def test_turns_go_on_where_the_last_batch_ended() -> None:
    queue = filled(*(queued(f"{name}{number}", operator=name) for name in "ab" for number in range(2)))
    assert ids(queue.take(1, PLENTY)) == ["a0"]
    assert ids(queue.take(2, PLENTY)) == ["b0", "a1"]


def test_bulk_leaves_only_when_nothing_else_can() -> None:
    queue = filled(queued("bulk", bulk=True), queued("urgent"))
    assert ids(queue.take(1, PLENTY)) == ["urgent"]
    queue.put(queued("late"))
    assert ids(queue.take(10, PLENTY)) == ["late", "bulk"]


def test_one_envelope_per_subject_is_out_at_a_time() -> None:
    queue = filled(queued("1", subject="s"), queued("2", subject="s"), queued("3", subject="t"))
    assert ids(queue.take(10, PLENTY)) == ["1", "3"]
    assert queue.take(10, PLENTY) == []
    assert len(queue) == 1
    queue.release("s")
    assert ids(queue.take(10, PLENTY)) == ["2"]


def test_a_subject_that_waits_does_not_hold_up_its_operator() -> None:
    queue = filled(queued("1", subject="s"))
    queue.take(1, PLENTY)
    queue.put(queued("2", subject="s"))
    queue.put(queued("3", subject="t"))
    assert ids(queue.take(1, PLENTY)) == ["3"]


def test_what_is_put_back_leaves_before_what_came_after_it() -> None:
    queue = filled(queued("1", subject="s"), queued("2", subject="s"), queued("3"))
    sent = queue.take(10, PLENTY)
    queue.put(queued("4"))
    queue.put_back(sent)
    assert ids(queue.take(10, PLENTY)) == ["1", "3", "4"]
    queue.release("s")
    assert ids(queue.take(10, PLENTY)) == ["2"]


def test_what_waits_already_is_not_added_again() -> None:
    queue = filled(queued("1"), queued("1"))
    assert len(queue) == 1
    assert ids(queue.take(10, PLENTY)) == ["1"]


def test_a_queued_envelope_that_was_never_sent_can_be_withdrawn_and_does_not_leave() -> None:
    queue = filled(queued("1"), queued("2"))
    withdrawn = queue.withdraw("1")
    assert withdrawn is not None
    assert withdrawn.envelope_id == "1"
    assert len(queue) == 1
    assert ids(queue.take(10, PLENTY)) == ["2"]


def test_a_withdrawn_queued_envelope_can_be_queued_again() -> None:
    queue = filled(queued("1"), queued("2"))
    assert queue.withdraw("1") is not None
    queue.forget("1")
    queue.put(queued("1"))
    assert ids(queue.take(10, PLENTY)) == ["2", "1"]


def test_what_waits_and_may_have_been_sent_by_another_process_cannot_be_withdrawn() -> None:
    queue = filled(queued("1"))
    queue.put(replace(queued("1"), attempts=1))
    assert queue.withdraw("1") is None


def test_what_waits_and_was_refused_to_another_process_counts_as_refused() -> None:
    queue = filled(queued("1"), queued("2"))
    queue.put(replace(queued("1"), attempts=1, not_taken=Reason.REASON_TOO_BUSY))
    assert (len(queue), queue.unrefused) == (2, 1)
    queue.put(queued("1"))
    assert queue.unrefused == 1, "a copy from before the refusal"
    first, second = queue.take(10, PLENTY)
    assert (first.not_taken, second.not_taken, queue.unrefused) == (Reason.REASON_TOO_BUSY, 0, 0)


def test_a_withdrawn_queued_envelope_is_not_queued_by_whoever_finds_it_in_the_outbox() -> None:
    queue = filled(queued("1"), queued("2"))
    assert queue.withdraw("1") is not None
    queue.put(queued("1"))
    assert ids(queue.take(10, PLENTY)) == ["2"]


def test_a_queued_envelope_behind_its_subject_can_be_withdrawn() -> None:
    queue = filled(queued("1", subject="s"), queued("2", subject="s"))
    assert ids(queue.take(10, PLENTY)) == ["1"]
    assert queue.withdraw("2") is not None
    queue.release("s")
    assert queue.take(10, PLENTY) == []


@pytest.mark.parametrize("envelope_id", ["out", "sent before", "unknown"])
def test_only_what_certainly_never_left_can_be_withdrawn(envelope_id: str) -> None:
    queue = filled(queued("out"))
    queue.take(1, PLENTY)
    sent_before = queued("sent before")
    sent_before.attempts = 1
    queue.put(sent_before)
    assert queue.withdraw(envelope_id) is None
    assert ids(queue.take(10, PLENTY)) == ["sent before"]


def test_a_batch_stops_at_its_limit_of_bytes() -> None:
    queue = filled(*(queued(str(number), size=40) for number in range(5)))
    assert ids(queue.take(10, 100)) == ["0", "1", "2"]
    assert ids(queue.take(10, 100)) == ["3", "4"]


def test_a_queued_envelope_larger_than_the_limit_still_leaves() -> None:
    assert ids(filled(queued("large", size=500)).take(10, 100)) == ["large"]


@dataclass
class Model:
    """The model of a queue, in the plainest form: a list."""

    waiting: list[QueuedEnvelope] = field(default_factory=list)
    out: list[QueuedEnvelope] = field(default_factory=list)


class AnyUse(RuleBasedStateMachine):
    """Random use of a queue: nothing is lost, nothing leaves twice, subjects keep their order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue()
        self.model = Model()
        self.count = 0

    @rule(operator=st.sampled_from("abc"), subject=st.integers(0, 4), bulk=st.booleans())
    def put(self, operator: str, subject: int, bulk: bool) -> None:
        self.count += 1
        # A subject is an order: one operator submitted it, as bulk work or not.
        added = queued(f"{self.count}", operator=operator, subject=f"{operator}{bulk}{subject}", bulk=bulk)
        self.queue.put(added)
        self.model.waiting.append(added)

    @rule(limit=st.integers(1, 5))
    def take(self, limit: int) -> None:
        subjects_out = {each.subject for each in self.model.out}
        could_leave = {each.subject for each in self.model.waiting} - subjects_out
        taken = self.queue.take(limit, PLENTY)
        assert len(taken) == min(limit, len(could_leave)), "takes all that may leave, up to the limit"
        for each in taken:
            first = next(other for other in self.model.waiting if other.subject == each.subject)
            assert each is first, "the first of its subject"
            self.model.waiting.remove(each)
            each.attempts += 1
        if any(each.sealed.content.bulk for each in taken):
            urgent = {each.subject for each in self.model.waiting if not each.sealed.content.bulk}
            assert urgent <= subjects_out | {each.subject for each in taken}, "bulk is last"
        self.model.out += taken

    @precondition(lambda self: self.model.out)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        done = data.draw(st.sampled_from(self.model.out))
        self.model.out.remove(done)
        self.queue.release(done.subject)

    @precondition(lambda self: self.model.out)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        failed = data.draw(st.lists(st.sampled_from(self.model.out), min_size=1, unique_by=id))
        reasons = st.sampled_from([Reason.REASON_UNSPECIFIED, Reason.REASON_TOO_BUSY])
        for each in failed:
            self.model.out.remove(each)
            each.not_taken = data.draw(reasons)
        self.queue.put_back(failed)
        self.model.waiting = failed + self.model.waiting

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.model.waiting))
        withdrawn = self.queue.withdraw(chosen.envelope_id)
        assert (withdrawn is chosen) == (chosen.attempts == 0)
        if withdrawn is not None:
            self.model.waiting.remove(chosen)

    @invariant()
    def holds_as_many_as_it_should(self) -> None:
        assert len(self.queue) == len(self.model.waiting)
        assert self.queue.unrefused == sum(not each.not_taken for each in self.model.waiting)
        for operator in "abc":
            waiting = [each for each in self.model.waiting if each.sealed.content.operator == operator]
            assert self.queue.waiting_of(operator) == len(waiting)

    def teardown(self) -> None:
        while self.model.waiting:
            for each in list(self.model.out):
                self.settle_all(each)
            self.take(5)

    def settle_all(self, each: QueuedEnvelope) -> None:
        self.model.out.remove(each)
        self.queue.release(each.subject)


TestAnyUse = AnyUse.TestCase
