"""The turns of coordinators, and a chain, as reported, beside the heads that other members keep of it. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, Sighting
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, ChainProblemKind, RequestedRow, VerifyChainResponse

TURN = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def has_turn(name: str, coordinators: Iterable[str], now: datetime) -> bool:
    """Whether a coordinator verifies the chains of all in this hour: one live coordinator after the other, by name.

    With the same one always, nobody would notice that it verifies nothing. `now` is aware.
    """
    names = sorted(coordinators) or [name]
    return names[(now - _EPOCH) // TURN % len(names)] == name


def compare(verdict: ChainVerdict, sightings: Iterable[Sighting], told: Mapping[int, RequestedRow]) -> None:
    """Adds sightings to a verdict, and a problem for each signed one that disagrees with the chain.

    `told` maps row numbers to rows: the last row of the chain, and the rows at the sightings. Behind a break the rest
    of the chain is unknown; a sighting there disagrees only where rows differ. A head that nobody has signed may be
    invented by its witness: it accuses nobody.
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
        elif is_walked:
            verdict.problems.append(
                ChainProblem(
                    kind=ChainProblemKind.CHAIN_PROBLEM_KIND_CUT,
                    sequence=verdict.head.sequence + 1,
                    row_time=end.time if end is not None and end.HasField("time") else None,
                    witness=sighting.witness,
                )
            )


def take_part(verdict: ChainVerdict, part: VerifyChainResponse, told: dict[int, RequestedRow]) -> None:
    """Adds a part of a region's report on its own chain to the verdict."""
    verdict.head.CopyFrom(part.head)
    told.update({row.head.sequence: row for row in part.requested_rows})
    if part.HasField("end_time"):
        told[part.head.sequence] = RequestedRow(head=part.head, time=part.end_time)
    if part.HasField("problem"):
        verdict.problems.append(part.problem)
