"""The client by itself: what it loads, what it takes from the environment, what errors mean, and how it repeats."""

import math
import pickle
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as some

from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import WatchJointOrderRequest, WatchJointOrderResponse
from gateway.api.region.v1.order_event_service_pb2 import StreamOrderEventsRequest
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, WatchOrdersRequest, WatchOrdersResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.client import Refused, Region, Unanswered, failure_of
from gateway.client.repeating import Attempts, Failure, Watch, may_pass, pause
from gateway.errors import from_rpc_error
from gateway.settings import SettingsError

ENVIRONMENT = {
    "CROSSREGION_NODE": "127.0.0.1:7101",
    "CROSSREGION_REGION": "guangdong",
    "CROSSREGION_FEDERATION": "crossregion.example",
    "CROSSREGION_CREDENTIALS": "counter",
}
# The packages that a client needs, with those that gRPC itself takes along where they are there.
PACKAGES = {"click", "cryptography", "google", "grpc", "tenacity", "typing_extensions", "_cffi_backend"}
OF_GRPC = {"grpc_channelz", "grpc_health", "grpc_reflection", "grpc_tools"}
FLOORS = {"api", "client", "errors", "process", "security", "settings", "time", "values", "wording"}
LOADED = """
import sys
before = set(sys.modules)
import gateway.client, tenacity
new = sys.modules.keys() - before
print(*{name.partition(".")[0] for name in new if "site-packages" in str(getattr(sys.modules[name], "__file__", ""))})
print(*{name.split(".")[1] for name in new if name.startswith("gateway.")})
print(*{"region_node", "coordinator", "sqlite3"} & new)
"""
PAUSE = 2.0  # seconds: the longest without a time that a server tells


def test_the_client_loads_nothing_of_a_server() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True)
    packages, floors, servers = (set(line.split()) for line in told.stdout.splitlines())
    assert packages - OF_GRPC <= PACKAGES
    assert floors <= FLOORS
    assert not servers


def test_a_region_is_taken_from_the_variables_of_the_commands(tmp_path: Path) -> None:
    proof = tmp_path / "wang.statement"
    proof.write_text("a.b.c\n", "utf-8")
    region = Region.from_environment({**ENVIRONMENT, "CROSSREGION_STAFF_PROOF": str(proof)})
    assert region == Region("127.0.0.1:7101", "guangdong", "crossregion.example", Path("counter"), "a.b.c")
    assert "a.b.c" not in repr(region)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    for environment in ({**ENVIRONMENT, name: ""}, {key: ENVIRONMENT[key] for key in ENVIRONMENT if key != name}):
        with pytest.raises(SettingsError, match=name):
            Region.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CROSSREGION_NODE", "guangdong"),
        ("CROSSREGION_REGION", "Guang dong"),
        ("CROSSREGION_STAFF_PROOF", "/nowhere/wang.statement"),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError):
        Region.from_environment({**ENVIRONMENT, name: value})


def error(
    code: grpc.StatusCode, reason: str = "", domain: str = "crossregion", retry_after: int = 0, **parameters: str
) -> grpc.aio.AioRpcError:
    """An error of gRPC, with the details of a refusal where there is a reason."""
    status = Status(code=code.value[0])
    details = (
        ErrorInfo(reason=reason, domain=domain, metadata=parameters),
        LocalizedMessage(locale="en", message="No."),
        LocalizedMessage(locale="zh-CN", message="不。"),
        RetryInfo(retry_delay=Duration(seconds=retry_after)),
    )
    for detail in details if reason else ():
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details="broken off")


def test_a_reason_of_a_later_version_is_decided_by_its_status_and_told_in_the_words_of_the_server() -> None:
    later = failure_of(error(grpc.StatusCode.FAILED_PRECONDITION, "MOON_IN_THE_WAY", moon="full"))
    assert isinstance(later, Refused)
    assert (later.name, later.reason, later.is_temporary) == ("MOON_IN_THE_WAY", Reason.REASON_UNSPECIFIED, False)
    assert (later.text.en, later.text.zh_cn, later.parameters) == ("No.", "不。", {"moon": "full"})
    assert str(later) == "MOON_IN_THE_WAY: No."
    passing = failure_of(error(grpc.StatusCode.UNAVAILABLE, "MOON_RISES", retry_after=9))
    assert may_pass(passing)
    assert passing.retry_after == 9


@pytest.mark.parametrize("code", [each for each in grpc.StatusCode if each != grpc.StatusCode.OK])
def test_an_error_without_a_reason_is_repeated_only_where_the_call_may_have_taken_effect(code: grpc.StatusCode) -> None:
    is_open = code.name in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"}
    for told in (error(code), error(code, "RATE_LIMITED", domain="of a proxy")):
        failure = failure_of(told)
        assert isinstance(failure, Unanswered) == may_pass(failure) == is_open
        assert code.name in str(failure)


def test_failures_are_errors_of_grpc_and_travel_between_processes() -> None:
    for told in (
        error(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND", order="7"),
        error(grpc.StatusCode.INTERNAL, "INTERNAL", incident="7"),
        error(grpc.StatusCode.UNAVAILABLE),
    ):
        failure = failure_of(told)
        assert isinstance(failure, grpc.RpcError)
        assert failure.code() == told.code()
        assert failure_of(failure) is failure
        again = pickle.loads(pickle.dumps(failure))
        assert (type(again), str(again), again.code()) == (type(failure), str(failure), failure.code())


def test_details_that_cannot_be_read_are_none() -> None:
    half = Status()
    half.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    for details in (b"\xff\xff\xff", half.SerializeToString()):
        trailing = grpc.aio.Metadata(("grpc-status-details-bin", details))
        broken = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), trailing, details="odd")
        assert isinstance(failure_of(broken), Unanswered)
        assert from_rpc_error(broken) is None


def test_a_passing_refusal_after_an_attempt_without_an_answer_leaves_the_outcome_open() -> None:
    full = error(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    attempts = Attempts(SubmitOrderRequest(), 60.0)
    assert isinstance(attempts.failed(full), Refused)
    assert isinstance(attempts.failed(error(grpc.StatusCode.UNAVAILABLE)), Unanswered)
    failure = attempts.failed(full)
    assert isinstance(failure, Unanswered)
    assert failure.refused is not None
    assert failure.refused.name == "STORE_UNAVAILABLE"
    assert isinstance(attempts.failed(error(grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND")), Refused)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UNAVAILABLE", "OUTCOME_UNKNOWN"),
        ("UNAVAILABLE", "REGION_UNREACHABLE"),
        ("UNAVAILABLE", "ANSWER_UNREADABLE"),
        ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"),
        ("INTERNAL", "INTERNAL"),
    ],
)
def test_an_outcome_that_the_node_does_not_know_stays_open_after_a_passing_refusal(code: str, reason: str) -> None:
    attempts = Attempts(SubmitOrderRequest(), 60.0)
    first = attempts.failed(error(grpc.StatusCode[code], reason))
    assert isinstance(first, Unanswered)
    assert may_pass(first)
    assert isinstance(attempts.failed(error(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")), Unanswered)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UNAUTHENTICATED", "STAFF_PROOF_EXPIRED"),
        ("PERMISSION_DENIED", "PERMISSION_DENIED"),
        ("PERMISSION_DENIED", ""),
        ("RESOURCE_EXHAUSTED", "UNKNOWN_NUMBERS_TOO_MANY"),
        ("UNIMPLEMENTED", ""),
    ],
)
def test_a_refusal_at_the_door_says_nothing_of_an_attempt_before_it_and_is_not_sent_again(
    code: str, reason: str
) -> None:
    attempts, at_the_door = Attempts(SubmitOrderRequest(), 60.0), error(grpc.StatusCode[code], reason)
    assert isinstance(attempts.failed(at_the_door), Refused)
    attempts.failed(error(grpc.StatusCode.UNAVAILABLE))
    failure = attempts.failed(at_the_door)
    assert isinstance(failure, Unanswered)
    assert failure.refused is not None
    assert failure.refused.name == (reason or code)
    assert not may_pass(failure)


def test_an_attempt_has_more_time_than_its_request_may_wait_and_no_more_than_is_left() -> None:
    waiting = SubmitOrderRequest(wait=Duration(seconds=30))
    assert 30 < Attempts(waiting, 600.0).seconds() <= 60
    assert 0 < Attempts(SubmitOrderRequest(), 600.0).seconds() < 30
    assert Attempts(waiting, 3.0).seconds() <= 3
    assert Attempts(waiting, 0.0).seconds() == 0


@given(failures=some.integers(1, 10**6), told=some.none() | some.floats(0, 600))
def test_a_pause_is_never_shorter_than_the_server_tells_and_little_longer(failures: int, told: float | None) -> None:
    assert (told or 0) < pause(failures, told) <= (told or 0) + PAUSE
    assert pause(failures, 1e12) <= 600 + PAUSE, "no server has a caller wait for ever"


@given(
    changes=some.integers(0, 30),
    cuts=some.lists(some.tuples(some.integers(0, 12), some.booleans()), max_size=12),
    first=some.integers(0, 5),
)
def test_a_watch_tells_each_change_once_in_order_wherever_it_is_cut(
    changes: int, cuts: list[tuple[int, bool]], first: int
) -> None:
    interrupted: list[Failure] = []
    watch = Watch(WatchOrdersRequest(token=str(first) if first else ""), math.inf, interrupted.append)
    told: list[str] = []
    # The last stream is not cut: it tells all.
    for length, is_orderly in (*cuts, (changes + 1, True)):
        after = int(watch.request.token or 0)
        stream = [WatchOrdersResponse(token=str(after))]
        stream += [
            WatchOrdersResponse(token=str(each), order=Order(id=str(each))) for each in range(after + 1, changes + 1)
        ]
        told += [each.order.id for each in stream[:length] if watch.takes(each)]
        assert not watch.ends
        assert watch.seconds_after(None if is_orderly else error(grpc.StatusCode.UNAVAILABLE)) > 0
    assert [each for each in told if each] == [str(each) for each in range(first + 1, changes + 1)]
    assert told.count("") <= 1, "the token alone is told at the start"


def test_a_watch_is_told_as_interrupted_once_and_given_up_after_the_patience() -> None:
    interrupted: list[Failure] = []
    watch = Watch(WatchOrdersRequest(), 60.0, interrupted.append)
    for _ in range(3):
        watch.seconds_after(error(grpc.StatusCode.UNAVAILABLE))
    assert len(interrupted) == 1
    watch.takes(WatchOrdersResponse(token="1"))
    watch.seconds_after(error(grpc.StatusCode.UNAVAILABLE))
    assert len(interrupted) == 2
    with pytest.raises(Unanswered):
        Watch(WatchOrdersRequest(), 0.0, interrupted.append).seconds_after(error(grpc.StatusCode.UNAVAILABLE))


def test_a_watch_that_goes_on_waits_a_minute_for_the_place_of_its_last_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    full = error(grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHES_TOO_MANY", watches="32")
    with pytest.raises(Refused):
        Watch(WatchOrdersRequest(), math.inf, lambda _: None).seconds_after(full)
    watch = Watch(WatchOrdersRequest(token="7"), math.inf, lambda _: None)
    for _ in range(2):
        assert watch.seconds_after(full) <= PAUSE
        now += 50
        watch.takes(WatchOrdersResponse(token="8"))
    watch.seconds_after(full)
    now += 50
    watch.seconds_after(error(grpc.StatusCode.UNAVAILABLE))
    watch.seconds_after(full)
    now += 60
    with pytest.raises(Refused):
        watch.seconds_after(full)


def test_a_stream_without_tokens_tells_the_present_state_again_only_where_it_has_changed() -> None:
    watch = Watch(WatchJointOrderRequest(), math.inf, lambda _: None)
    first, second = (WatchJointOrderResponse(order=JointOrder(id=each)) for each in "12")
    assert [watch.takes(first), watch.takes(second), watch.takes(second)] == [True, True, True]
    assert watch.seconds_after(error(grpc.StatusCode.UNAVAILABLE)) > 0
    assert [watch.takes(second), watch.takes(first)] == [False, True]
    assert watch.ends


def test_a_stream_of_the_past_ends_by_itself() -> None:
    assert Watch(StreamOrderEventsRequest(only_past=True), math.inf, lambda _: None).ends
    assert not Watch(StreamOrderEventsRequest(), math.inf, lambda _: None).ends
