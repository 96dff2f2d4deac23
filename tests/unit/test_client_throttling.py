"""A client that throttles itself: few calls beyond what the server takes, none refused without need, and soon none."""

import math
import pickle
import random
from dataclasses import dataclass, field

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.client.failures import Refused, Unanswered
from gateway.client.throttling import MEMORY, MOST_SENT, Throttle, share_refused
from gateway.errors import reason_name, status_code

RETRY = 1.0  # seconds, as the contract tells for these refusals
SECONDS = 4.0
STEADY = 2.0  # seconds until a flood has its share
BURST = 0.1  # seconds of its work that a server holds
MOST_CHANCE = math.nextafter(1.0, 0.0)


def refusal(reason: Reason.ValueType, retry_after: float | None = RETRY) -> Refused:
    """The refusal of a server."""
    return Refused(reason_name(reason), status_code(reason), LocalizedText(en="No.", zh_cn="不。"), {}, retry_after)


def sent(throttle: Throttle, failure: grpc.RpcError | None, now: float) -> None:
    """A call that chance lets pass, with its answer; None is the failure of no failure."""
    throttle.require_sent(now, MOST_CHANCE)
    if failure is not None:
        throttle.note(failure, now)


BUSY = refusal(Reason.REASON_CALLS_TOO_MANY)
AWAY = grpc.StatusCode.UNAVAILABLE
BY_CALLER = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


@dataclass
class Scene:
    """Calls at a steady rate, to a server that takes so many a second."""

    capacity: float
    throttle: Throttle = field(default_factory=Throttle)
    chances: random.Random = field(default_factory=lambda: random.Random(7))
    now: float = 1000.0
    room: float = field(init=False)
    sent: int = 0
    taken: int = 0
    local: int = 0

    def __post_init__(self) -> None:
        self.room = self._most

    @property
    def _most(self) -> float:
        return 1 + self.capacity * BURST

    def call(self, after: float) -> None:
        """One call, so many seconds later."""
        self.now += after
        self.room = min(self.room + after * self.capacity, self._most)
        try:
            self.throttle.require_sent(self.now, self.chances.random())
        except Refused:
            self.local += 1
            return
        self.sent += 1
        if self.room >= 1:
            self.room -= 1
            self.taken += 1
        else:
            self.throttle.note(BUSY, self.now)

    def calls(self, rate: float, seconds: float) -> None:
        """Calls at a rate, counted by themselves."""
        self.sent = self.taken = self.local = 0
        for _ in range(int(rate * seconds)):
            self.call(1 / rate)


@given(some.floats(0, 1e6), some.floats(0, 1e6), some.floats(0, 1e6))
def test_the_share_refused_grows_with_the_calls_and_falls_with_those_that_are_taken(
    asked: float, taken: float, more: float
) -> None:
    share = share_refused(asked, taken)
    assert 0 <= share < 1
    assert share_refused(asked + more, taken) >= share
    assert share_refused(asked, taken + more) <= share
    assert share_refused(MOST_SENT * taken, taken) == 0


@settings(max_examples=20)
@given(factor=some.floats(2.0, 20.0), capacity=some.floats(20.0, 50.0))
def test_a_flood_sends_about_twice_what_the_server_takes_and_uses_all_of_its_room(
    factor: float, capacity: float
) -> None:
    scene = Scene(capacity)
    scene.calls(factor * capacity, STEADY)
    scene.calls(factor * capacity, SECONDS)
    assert scene.taken >= 0.9 * capacity * SECONDS
    assert scene.sent <= 1.2 * MOST_SENT * capacity * SECONDS


@settings(max_examples=20)
@given(factor=some.floats(0.1, 1.5), capacity=some.floats(20.0, 50.0))
def test_a_server_that_takes_most_calls_gets_nearly_all_of_them(factor: float, capacity: float) -> None:
    scene = Scene(capacity)
    scene.calls(factor * capacity, SECONDS)
    assert scene.local <= (0 if factor < 1 else 0.02 * factor * capacity * SECONDS)


@settings(max_examples=20)
@given(rate=some.floats(1.0, 200.0))
def test_a_server_that_refuses_all_calls_gets_a_few_to_try(rate: float) -> None:
    scene = Scene(0.0)
    scene.calls(rate, SECONDS)
    assert 1 <= scene.sent <= 12 + 3 * SECONDS / MEMORY


@settings(max_examples=20)
@given(factor=some.floats(1.0, 20.0), rest=some.floats(RETRY, 60.0))
def test_once_the_server_has_refused_nothing_for_its_time_no_call_is_held_back(factor: float, rest: float) -> None:
    scene = Scene(50.0)
    scene.calls(factor * scene.capacity, SECONDS)
    scene.now += rest
    scene.calls(scene.capacity / 2, SECONDS)
    assert (scene.local, scene.sent) == (0, scene.taken)


@given(some.floats(0, 1, exclude_max=True))
def test_nothing_is_refused_before_the_server_has_refused(chance: float) -> None:
    throttle = Throttle()
    for each in range(100):
        throttle.require_sent(float(each), chance)


@given(after=some.integers(0, 80), told=some.none() | some.integers(1, 10**9))
def test_a_call_that_is_held_back_is_told_the_time_that_is_left(after: int, told: int | None) -> None:
    throttle = Throttle()
    sent(throttle, refusal(Reason.REASON_SERVER_CALLS_TOO_MANY, told), 1000.0)
    left = min(told or RETRY, 60.0) - after
    if left <= 0:
        throttle.require_sent(1000.0 + after, 0.0)
        return
    with pytest.raises(Refused) as refused:
        throttle.require_sent(1000.0 + after, 0.0)
    assert refused.value.is_local
    assert refused.value.retry_after == pytest.approx(left, abs=1e-6)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert pickle.loads(pickle.dumps(refused.value)).is_local


@pytest.mark.parametrize(
    "failure",
    [
        Unanswered("the connection was cut", AWAY),
        Refused("RESOURCE_EXHAUSTED", grpc.StatusCode.RESOURCE_EXHAUSTED, LocalizedText(), {}, None),
    ],
    ids=["gone", "proxy"],
)
def test_a_server_that_is_gone_and_a_proxy_tell_nothing(failure: grpc.RpcError) -> None:
    throttle = Throttle()
    sent(throttle, BUSY, 1000.0)
    shares = [_least_sent(throttle)]
    for _ in range(100):
        sent(throttle, failure, 1000.0)
    shares.append(_least_sent(throttle))
    assert shares[0] == shares[1]


@pytest.mark.parametrize("reason", [Reason.REASON_REQUEST_INVALID, Reason.REASON_OPEN_WORK_TOO_MUCH])
def test_a_call_that_is_refused_for_another_reason_was_taken(reason: Reason.ValueType) -> None:
    throttle = Throttle()
    for each in (BUSY, refusal(reason), refusal(reason)):
        sent(throttle, each, 1000.0)
    throttle.require_sent(1000.0, 0.0)


@pytest.mark.parametrize("end", [None, *(Unanswered("ended here", code) for code in BY_CALLER)], ids=str)
def test_slow_answers_hold_no_call_back_and_neither_do_calls_that_their_callers_end(end: Unanswered | None) -> None:
    throttle, ends = Throttle(), [1000.0 + each / 10 for each in range(100)]
    for begun in ends[:20]:
        throttle.require_sent(begun, 0.0)
    sent(throttle, refusal(Reason.REASON_CALLS_TOO_MANY, 60.0), ends[20])
    for now in ends[20:]:
        throttle.require_sent(now, 0.0)
        if end is not None:
            throttle.note(end, now)


def _least_sent(throttle: Throttle) -> float:
    """The share that is refused at 1000.0, in hundredths; a call that is refused would count, so each tries a copy."""
    for hundredth in range(100):
        try:
            pickle.loads(pickle.dumps(throttle)).require_sent(1000.0, hundredth / 100)
        except Refused:
            continue
        return hundredth / 100
    return 1.0
