"""Lengths of time, and how long ago a time was."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated


def told_span(seconds: float) -> str:
    """A length of time for people, signed: `+12.3 ms`, `+4.2 s`, `+3 min`, `+2 h`."""
    size = abs(seconds)
    if size < 1:
        return f"{seconds * 1000:+.1f} ms"
    if size < 60:
        return translated("{number} s", number=f"{seconds:+.1f}")
    if size < 3600:
        return translated("{number} min", number=f"{seconds / 60:+.0f}")
    return translated("{number} h", number=f"{seconds / 3600:+.0f}")


def told_age(timestamp: Timestamp, now: datetime) -> str:
    """How long ago a time was; empty where none is set. By a clock that is ahead of ours nothing was in the future."""
    if not timestamp.seconds and not timestamp.nanos:
        return ""
    seconds = (now - from_timestamp(timestamp)).total_seconds()
    if seconds < 1:
        return translated("just now")
    whole = int(seconds)
    told = translated("{number} s", number=whole) if whole < 60 else told_span(whole).lstrip("+")
    return translated("{span} ago", span=told)
