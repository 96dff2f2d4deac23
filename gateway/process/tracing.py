"""OpenTelemetry: one trace from the operator's call to the home region's commit and back.

Without an exporter nothing is recorded and no span is made, but trace ids still travel, so that the trace is whole
wherever somebody records it.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = "traceparent"
# W3C Trace Context, 2.2 and 4.3: ids of zeros are none, and a later version may have further parts.
_FORM = re.compile(
    r"(?:00(?!.{53}-)|(?!00|ff)[0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?:-.*)?"
)
_DRAWN_BYTES = 24  # of a trace's id and a span's
_DRAWN_AT_ONCE = 64
_unrecorded: ContextVar[str] = ContextVar("crossregion_traceparent", default="")
_propagator = TraceContextTextMapPropagator()

T = TypeVar("T")
Named: TypeAlias = Callable[[], tuple[str, Mapping[str, str | int]]]


class Tracing:
    """Starts the spans of one process; makes none where nothing would record them."""

    def __init__(self, tracer: Tracer, *, records: bool = True) -> None:
        self._tracer = tracer
        self._records = records
        self._drawn = _Drawn()

    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: str = "",
        links: Iterable[str] = (),
        attributes: Mapping[str, str | int] | None = None,
    ) -> AbstractContextManager[object]:
        """A current span. `parent` and `links` are traceparents; without a parent the current span is it."""
        if not self._records:
            return self._unrecorded(parent) if kind == SpanKind.SERVER or parent else nullcontext()
        return self._tracer.start_as_current_span(
            name,
            context=_context_of(parent) if parent else None,
            kind=kind,
            links=[Link(_span_context_of(link)) for link in links if link],
            attributes=attributes,
            record_exception=False,
        )

    def _unrecorded(self, parent: str) -> "_Unrecorded":
        found = _FORM.fullmatch(parent) if parent else None
        return _Unrecorded(f"00-{found[1]}" if found else self._drawn.traceparent())

    def around(self, awaited: Awaitable[T], parent: str, named: Named) -> Awaitable[T]:
        """A consumer's span around something that is under way; `parent` is the traceparent of its cause.

        `named` gives the name and the attributes of the span, where it is recorded.
        """
        return self._within_span(awaited, parent, named) if self._records else awaited

    async def _within_span(self, awaited: Awaitable[T], parent: str, named: Named) -> T:
        name, attributes = named()
        with self.span(name, SpanKind.CONSUMER, parent=parent, attributes=attributes):
            return await awaited


class _Unrecorded:
    """Makes a trace that nobody records the current one."""

    __slots__ = ("_before", "_traceparent")

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent
        self._before = ""

    def __enter__(self) -> None:
        self._before = _unrecorded.get()
        _unrecorded.set(self._traceparent)

    def __exit__(self, *_: object) -> None:
        # Not by a token: a coroutine that the end of the process closes leaves in another context than it entered.
        _unrecorded.set(self._before)


class _Drawn:
    """New traces, which nobody records so far: drawn many at a time, since each draw is a call to the system.

    Nobody can guess one from others: a region would otherwise write spans into the traces of another.
    """

    __slots__ = ("_ready",)

    def __init__(self) -> None:
        self._ready: list[str] = []

    def traceparent(self) -> str:
        """A traceparent that no other call is given."""
        if not self._ready:
            digits = secrets.token_hex(_DRAWN_BYTES * _DRAWN_AT_ONCE)
            parts = (digits[start : start + 2 * _DRAWN_BYTES] for start in range(0, len(digits), 2 * _DRAWN_BYTES))
            # Ids of zeros, which are no ids, come less often than any id is drawn twice.
            self._ready = [f"00-{each[:32]}-{each[32:]}-00" for each in parts]
        return self._ready.pop()


def current_traceparent() -> str:
    """The W3C traceparent of the current trace; empty outside of any."""
    unrecorded = _unrecorded.get()
    if unrecorded:
        return unrecorded
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_TRACEPARENT, "")


def _context_of(traceparent: str) -> Context:
    return _propagator.extract({_TRACEPARENT: traceparent})


def _span_context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context_of(traceparent)).get_span_context()
