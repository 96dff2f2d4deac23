"""The verification of a part of an audit chain, page by page, for a member that does not see the content of rows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, RequestedRow, VerifyChainRequest, VerifyChainResponse
from gateway.auditing.audit import GENESIS, AuditRow, ChainBroken, Head, Walk
from gateway.errors import invalid
from gateway.time.clock import from_microseconds, to_timestamp

LARGEST_SEQUENCE = 2**63 - 1
_MOST_ROWS = 100_000
ROWS = 20_000
"""The number of rows of a part, where a call does not name another."""
MOST_SEQUENCES = 256
"""The largest number of rows whose hash one call requests."""

ReadPage: TypeAlias = Callable[[int], Awaitable[Sequence[AuditRow]]]
"""Reads the page of a chain after a row, oldest first; empty at its end."""


async def verified_part(read: ReadPage, request: VerifyChainRequest) -> VerifyChainResponse:
    """Verifies a part of a chain. Each page is a read of its own: the chain grows meanwhile, and never changes.

    Raises Refused with REQUEST_INVALID, and as `read`.
    """
    after, left = _start(request)
    walk, wanted = Walk(after=after), frozenset(request.sequences)
    response = VerifyChainResponse()
    try:
        while left and not response.is_end:
            found = (await read(walk.head.sequence))[:left]
            for row in found:
                walk.take(row)
                if row.sequence in wanted:
                    response.requested_rows.append(_told(row))
            left -= len(found)
            response.is_end = not found
            await asyncio.sleep(0)  # a read of SQLite lets nothing else happen
    except ChainBroken as broken:
        response.problem.CopyFrom(problem_of(broken))
    response.head.CopyFrom(AuditHead(sequence=walk.head.sequence, hash=walk.head.hash))
    if walk.time is not None:
        response.end_time.CopyFrom(to_timestamp(from_microseconds(walk.time)))
    return response


def problem_of(broken: ChainBroken) -> ChainProblem:
    """The break in a chain as a message of the contract."""
    return ChainProblem(
        kind=broken.kind,
        sequence=broken.sequence,
        row_time=to_timestamp(from_microseconds(broken.time)) if broken.time is not None else None,
        witness=broken.seen.witness if broken.seen is not None else "",
    )


def _start(request: VerifyChainRequest) -> tuple[Head | None, int]:
    if request.rows > _MOST_ROWS:
        raise invalid("rows", f"more than {_MOST_ROWS}", f"超过{_MOST_ROWS}行")
    if len(request.sequences) > MOST_SEQUENCES:
        raise invalid("sequences", f"more than {MOST_SEQUENCES}", f"超过{MOST_SEQUENCES}个")
    after = request.after
    if after.sequence > LARGEST_SEQUENCE or (after.sequence and len(after.hash) != len(GENESIS)):
        raise invalid("after", "not a sequence number with a SHA-256 hash", "须为序号及SHA-256哈希")
    head = Head(after.sequence, after.hash) if after.sequence else None
    return head, request.rows or ROWS


def _told(row: AuditRow) -> RequestedRow:
    return RequestedRow(
        head=AuditHead(sequence=row.sequence, hash=row.hash), time=to_timestamp(from_microseconds(row.time))
    )
