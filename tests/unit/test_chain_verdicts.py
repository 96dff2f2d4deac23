"""Verdicts on audit chains, and an administrator's output about them: each problem once, with the row and its time."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.auditing.rules import Told, compare, take_part
from coordinator.auditing.service import judged, next_part
from coordinator.cli.node.audit_chains import told_problems
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, Sighting
from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.audit_service_pb2 import (
    ChainProblemKind,
    RequestedRow,
    VerifyChainRequest,
    VerifyChainResponse,
)
from gateway.auditing.walking import MOST_SEQUENCES, ROWS

CUT, REWRITTEN = ChainProblemKind.CHAIN_PROBLEM_KIND_CUT, ChainProblemKind.CHAIN_PROBLEM_KIND_REWRITTEN
THEN = Timestamp(seconds=1_800_000_000)  # 2027-01-15 08:00:00 UTC


def row(number: int, content: bytes = b"own") -> AuditHead:
    return AuditHead(sequence=number, hash=content)


def verdict(end: int, told: Sequence[int], *seen: tuple[str, AuditHead]) -> ChainVerdict:
    """The verdict on a chain of `end` rows, with some of its rows, and heads seen by others."""
    rows: Told = {}
    found, sightings = ChainVerdict(region="sichuan"), [signed(head, witness) for witness, head in seen]
    part = VerifyChainResponse(head=row(end), is_end=True, end_time=THEN)
    part.requested_rows.extend(RequestedRow(head=row(each), time=THEN) for each in {*told, end})
    assert take_part(found, VerifyChainRequest(sequences=[head.sequence for _, head in seen]), part, sightings, rows)
    compare(found, sightings, rows)
    return found


def judged_rows(numbers: Iterable[int], seen: Sequence[Sighting], *, fewest: int = 0) -> ChainVerdict:
    """The verdict on a chain with these rows, whose owner verifies the requested number of them, or `fewest`."""

    async def part(request: VerifyChainRequest) -> VerifyChainResponse:
        ahead = [each for each in numbers if each > request.after.sequence]
        taken = ahead[: max(fewest, request.rows)]
        told = [RequestedRow(head=row(each)) for each in taken if each in request.sequences]
        end = row(taken[-1]) if taken else request.after
        return VerifyChainResponse(head=end, is_end=not taken, requested_rows=told)

    return asyncio.run(judged(ChainVerdict(region="sichuan"), list(seen), part))


def signed(head: AuditHead, witness: str = "region/henan") -> Sighting:
    """A sighting of a head that the owner of the chain has signed."""
    return Sighting(witness=witness, head=head, signer="region/sichuan")


def test_of_a_tail_that_was_cut_the_time_of_the_last_row_is_told() -> None:
    found = verdict(3, [], ("coordinator", row(5)))
    assert [each.kind for each in found.problems] == [ChainProblemKind.CHAIN_PROBLEM_KIND_CUT]
    assert (found.problems[0].sequence, found.problems[0].row_time) == (4, THEN)
    assert "2027-01-15 08:00:00 +00:00" in told_problems(found.problems)[0]


def test_of_a_chain_that_is_gone_there_is_no_time() -> None:
    found = ChainVerdict(region="sichuan", head=AuditHead())
    compare(found, [signed(row(2), "coordinator")], {})
    assert not found.problems[0].HasField("row_time")
    assert "this is the first" in told_problems(found.problems)[0]


def test_what_several_have_seen_is_told_in_one_line() -> None:
    found = verdict(3, [], ("region/henan", row(5)), ("coordinator", row(6)))
    assert len(found.problems) == 2
    (told,) = told_problems(found.problems)
    assert "coordinator, region/henan" in told


def test_what_differs_at_different_rows_is_told_row_by_row() -> None:
    found = verdict(9, [3, 5], ("region/henan", row(3, b"x")), ("coordinator", row(5, b"x")))
    assert [f"row {number}" in told for number, told in zip((3, 5), told_problems(found.problems), strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("seen", [row(3, b"x"), row(12)], ids=["another row", "a row behind the end"])
def test_a_head_that_nobody_has_signed_is_shown_and_accuses_nobody(seen: AuditHead) -> None:
    for signer, kinds in (("", 0), ("coordinator/0", 1)):
        found = ChainVerdict(chain="coordinator/0", head=row(9))
        told = {each: RequestedRow(head=row(each), time=THEN) for each in (3, 9)}
        compare(found, [Sighting(witness="region/henan", head=seen, signer=signer)], told)
        assert (len(found.problems), [each.agrees for each in found.sightings]) == (kinds, [False])


def test_a_signed_head_of_a_row_that_was_not_requested_accuses_nobody_before_the_end_of_the_chain() -> None:
    for rows, kinds in (({}, []), ({3: None}, [CUT])):
        found = ChainVerdict(region="sichuan", head=row(9))
        compare(found, [signed(row(3))], rows)
        assert [each.kind for each in found.problems] == kinds


MANY = range(1, 3 * MOST_SEQUENCES)


def test_more_genuine_heads_than_one_call_requests_are_all_compared() -> None:
    found = judged_rows(range(1, 1001), [signed(row(each)) for each in (*MANY, 900)])
    assert (list(found.problems), {each.agrees for each in found.sightings}) == ([], {True})


def invented_heads() -> list[Sighting]:
    return [Sighting(witness="region/hunan", head=row(each, b"x")) for each in MANY]


def test_rows_of_signed_heads_are_requested_first_and_a_part_ends_where_more_of_them_follow() -> None:
    beside_invented = next_part(ChainVerdict(), [*invented_heads(), signed(row(900))], {})
    assert (beside_invented.sequences[0], len(beside_invented.sequences)) == (900, MOST_SEQUENCES)
    assert beside_invented.rows == ROWS
    of_many = next_part(ChainVerdict(head=row(100)), [signed(row(each)) for each in MANY], {})
    assert of_many.sequences[-1] == of_many.after.sequence + of_many.rows == 100 + MOST_SEQUENCES


def test_invented_heads_crowd_out_no_signed_one() -> None:
    invented = invented_heads()
    whole = judged_rows(range(1, 1001), [*invented, signed(row(900))])
    assert (list(whole.problems), whole.sightings[-1].agrees) == ([], True)
    rewritten = judged_rows(range(1, 1001), [*invented, signed(row(900, b"x"))])
    assert [(each.kind, each.sequence) for each in rewritten.problems] == [(REWRITTEN, 900)]


def test_rows_behind_the_end_of_one_part_are_requested_for_the_next_one() -> None:
    found = judged_rows(range(1, 50_001), [signed(row(each)) for each in (5, 30_000, 50_000, 50_001)])
    assert [each.agrees for each in found.sightings] == [True, True, True, False]
    assert [(each.kind, each.sequence) for each in found.problems] == [(CUT, 50_001)]


@pytest.mark.parametrize(
    ("numbers", "fewest"),
    [(range(1, 1001), 1000), ([*range(1, 10), *range(300, 1001)], 0)],
    ids=["an owner that walks too far", "a row that names missing ones"],
)
def test_a_part_that_passes_rows_of_signed_heads_hides_no_rewritten_one(numbers: Iterable[int], fewest: int) -> None:
    seen = [signed(row(each)) for each in MANY if each in numbers]
    lost = [signed(row(each)) for each in MANY if each not in numbers]
    found = judged_rows(numbers, [*seen, *lost, signed(row(900, b"x"), "coordinator")], fewest=fewest)
    kinds = [each.kind for each in found.problems]
    assert (kinds.count(REWRITTEN), kinds.count(CUT)) == (1, len(lost))
    assert all(each.agrees for each in found.sightings[: len(seen)])


@pytest.mark.parametrize("number", [3, 9])
def test_a_chain_that_others_have_seen_so_is_whole(number: int) -> None:
    found = verdict(9, [3], ("coordinator", row(number)))
    assert not found.problems
    assert found.sightings[0].agrees
