"""Stretches of time in whole microseconds, and sets of them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """From `start` up to `end`, in microseconds; empty where the end is not later."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """In microseconds; 0 for an empty one."""
        return max(0, self.end - self.start)

    def within(self, other: "Span") -> "Span":
        """The part of it within another span."""
        return Span(max(self.start, other.start), min(self.end, other.end))


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same time, each moment once: in order, disjoint, without empty spans."""
    found: list[Span] = []
    for each in sorted(span for span in spans if span.length):
        if found and each.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


def without(spans: Sequence[Span], taken: Span) -> tuple[Span, ...]:
    """The rest of a union after the removal of one span."""
    if not taken.length:
        return tuple(spans)
    parts = (
        part
        for each in spans
        for part in (Span(each.start, min(each.end, taken.start)), Span(max(each.start, taken.end), each.end))
    )
    return tuple(part for part in parts if part.length)


def length(spans: Iterable[Span]) -> int:
    """How long the stretches of a union are together, in microseconds."""
    return sum(each.length for each in spans)
