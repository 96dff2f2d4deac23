"""Traces that nobody records: the caller's goes on, and a call without one begins its own."""

import re

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NoOpTracer, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.process.tracing import Tracing, current_traceparent

UNRECORDED = Tracing(NoOpTracer(), records=False)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLERS = f"00-{TRACE}-{SPAN}-01"
INVALID = (
    "",
    "00",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"01-{TRACE}-{SPAN}-01more",
    f"0-{TRACE}-{SPAN}-01",
)
DRAWN = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-00")
PARTS = st.from_regex("(00|01|cc|ff)-([0-9a-f]{32}|0{32})-([0-9a-f]{16}|0{16})-[0-9a-f]{2}(-[a-z-]*)?", fullmatch=True)


def told(parent: str) -> str:
    """The trace within a served call whose caller names this one."""
    with UNRECORDED.span("served", SpanKind.SERVER, parent=parent):
        return current_traceparent()


def as_opentelemetry_reads_it(parent: str) -> str:
    propagator, carrier = TraceContextTextMapPropagator(), dict[str, str]()
    propagator.inject(carrier, propagator.extract({"traceparent": parent}))
    return carrier.get("traceparent", "")


def test_a_caller_s_trace_is_the_trace_of_the_call() -> None:
    assert told(CALLERS) == CALLERS
    assert told(f"01-{TRACE}-{SPAN}-01-later") == CALLERS, "parts of a later version are left out"


def test_an_invalid_trace_is_replaced_by_a_new_one() -> None:
    drawn = {parent: told(parent) for parent in INVALID}
    assert {parent: trace for parent, trace in drawn.items() if not DRAWN.fullmatch(trace) or trace in parent} == {}
    assert len(set(drawn.values())) == len(INVALID)


@given(PARTS)
def test_a_trace_is_read_as_opentelemetry_reads_it(parent: str) -> None:
    read, trace = as_opentelemetry_reads_it(parent), told(parent)
    assert trace == read if read else DRAWN.fullmatch(trace)


def test_a_trace_ends_with_its_call_also_inside_another() -> None:
    other = f"00-{SPAN * 2}-{SPAN}-00"
    with UNRECORDED.span("served", SpanKind.SERVER, parent=CALLERS):
        with UNRECORDED.span("a call to another", SpanKind.CLIENT):
            assert current_traceparent() == CALLERS
        with UNRECORDED.span("an order's work", SpanKind.CONSUMER, parent=other):
            assert current_traceparent() == other
        assert current_traceparent() == CALLERS
    assert current_traceparent() == ""
