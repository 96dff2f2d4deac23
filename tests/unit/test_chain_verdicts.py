"""An administrator's output about the regions' audit chains: each problem once, with the row and its time."""

from collections.abc import Sequence

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.auditing.rules import compare, take_part
from coordinator.cli.node.audit_chains import told_problems
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, Sighting
from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.audit_service_pb2 import ChainProblemKind, RequestedRow, VerifyChainResponse

THEN = Timestamp(seconds=1_800_000_000)  # 2027-01-15 08:00:00 UTC


def row(number: int, content: bytes = b"own") -> AuditHead:
    return AuditHead(sequence=number, hash=content)


def verdict(end: int, told: Sequence[int], *seen: tuple[str, AuditHead]) -> ChainVerdict:
    """The verdict on a chain of `end` rows, with some of its rows, and heads seen by others."""
    found, rows = ChainVerdict(region="sichuan"), dict[int, RequestedRow]()
    part = VerifyChainResponse(head=row(end), is_end=True, end_time=THEN)
    part.requested_rows.extend(RequestedRow(head=row(each), time=THEN) for each in told)
    take_part(found, part, rows)
    compare(found, [Sighting(witness=witness, head=head, signer="region/sichuan") for witness, head in seen], rows)
    return found


def test_of_a_tail_that_was_cut_the_time_of_the_last_row_is_told() -> None:
    found = verdict(3, [], ("coordinator", row(5)))
    assert [each.kind for each in found.problems] == [ChainProblemKind.CHAIN_PROBLEM_KIND_CUT]
    assert (found.problems[0].sequence, found.problems[0].row_time) == (4, THEN)
    assert "2027-01-15 08:00:00 +00:00" in told_problems(found.problems)[0]


def test_of_a_chain_that_is_gone_there_is_no_time() -> None:
    found, rows = ChainVerdict(region="sichuan"), dict[int, RequestedRow]()
    take_part(found, VerifyChainResponse(head=AuditHead(), is_end=True), rows)
    compare(found, [Sighting(witness="coordinator", head=row(2), signer="region/sichuan")], rows)
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


@pytest.mark.parametrize("number", [3, 9])
def test_a_chain_that_others_have_seen_so_is_whole(number: int) -> None:
    found = verdict(9, [3], ("coordinator", row(number)))
    assert not found.problems
    assert found.sightings[0].agrees
