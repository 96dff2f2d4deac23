"""The turns of coordinators, and a chain, as reported, beside the heads that other members keep of it. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, Sighting
from gateway.api.region.v1.audit_service_pb2 import (
    ChainProblem,
    ChainProblemKind,
    RequestedRow,
    VerifyChainRequest,
    VerifyChainResponse,
)

Told: TypeAlias = dict[int, RequestedRow | None]
"""Rows of a chain by their numbers; None for a requested row that the chain does not have."""

TURN = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def has_turn(name: str, coordinators: Iterable[str], now: datetime) -> bool:
    """Whether a coordinator verifies the chains of all in this hour: one live coordinator after the other, by name.

    With the same one always, nobody would notice that it verifies nothing. `now` is aware.
    """
    names = sorted(coordinators) or [name]
    return names[(now - _EPOCH) // TURN % len(names)] == name


def compare(verdict: ChainVerdict, sightings: Iterable[Sighting], told: Mapping[int, RequestedRow | None]) -> None:
    """Adds sightings to a verdict, and a problem for each signed one that disagrees with the chain.

    `told` has the last row of the chain, and the requested rows at the sightings. A row that was not requested accuses
    nobody before the end of the chain. Behind a break the rest of the chain is unknown; a sighting there disagrees only
    where rows differ. A head that nobody has signed may be invented by its witness: it accuses nobody.
    """
    is_walked = not verdict.problems
    end = told.get(verdict.head.sequence)
    for sighting in sightings:
        found = told.get(sighting.head.sequence)
        sighting.agrees = sighting.head.sequence == 0 or (found is not None and found.head.hash == sighting.head.hash)
        verdict.sightings.append(sighting)
        if sighting.agrees or not sighting.signer:
            continue
        if found is not None:
            verdict.problems.append(
                ChainProblem(
                    kind=ChainProblemKind.CHAIN_PROBLEM_KIND_REWRITTEN,
                    sequence=sighting.head.sequence,
                    row_time=found.time,
                    witness=sighting.witness,
                )
            )
        elif is_walked and (sighting.head.sequence in told or sighting.head.sequence > verdict.head.sequence):
            verdict.problems.append(
                ChainProblem(
                    kind=ChainProblemKind.CHAIN_PROBLEM_KIND_CUT,
                    sequence=verdict.head.sequence + 1,
                    row_time=end.time if end is not None and end.HasField("time") else None,
                    witness=sighting.witness,
                )
            )


def take_part(
    verdict: ChainVerdict,
    request: VerifyChainRequest,
    part: VerifyChainResponse,
    sightings: Iterable[Sighting],
    told: Told,
) -> bool:
    """Adds a part of a region's report on its own chain to the verdict. False where the part has to be read again.

    A row that names missing ones may carry an honest part over rows of signed heads that were not requested yet. A
    region might hide a rewritten row so: the rows of such a part count, and its end does not.
    """
    told.update(dict.fromkeys(each for each in request.sequences if each <= part.head.sequence))
    told.update({row.head.sequence: row for row in part.requested_rows})
    passed = range(request.after.sequence + 1, part.head.sequence + 1)
    if any(each.signer and each.head.sequence in passed and each.head.sequence not in told for each in sightings):
        return False
    verdict.head.CopyFrom(part.head)
    if part.HasField("end_time"):
        told[part.head.sequence] = RequestedRow(head=part.head, time=part.end_time)
    if part.HasField("problem"):
        verdict.problems.append(part.problem)
    return True
