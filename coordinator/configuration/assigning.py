"""The checks of a coordinator on an assignment of a number, and on a number plan in view of assignments. Pure."""

from collections.abc import Iterable, Sequence

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import NumberAssignment
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Problem, Refused, listed, problem_of
from gateway.federation.assignments import is_proven
from gateway.federation.numberplan import NumberPlan, normalize
from gateway.security.signing import TrustedKeys

_TOLD_NUMBERS = 20
_ROWS = 1024  # bytes of a row in the audit chain, of marks and of keys


def require_proven(wanted: NumberAssignment, certificate: bytes, caller: str, keys: TrustedKeys) -> None:
    """Raises Refused unless the calling region itself gives a number away, by its signature.

    NUMBER_INVALID for no number in E.164, NOT_HOME for another region's assignment, NUMBER_ASSIGNMENT_UNPROVEN for one
    without a right signature, as of a version that signed none.
    """
    if normalize(wanted.number) != wanted.number:
        raise Refused(Reason.REASON_NUMBER_INVALID, number=wanted.number)
    if wanted.giver and wanted.giver != caller:
        raise Refused(Reason.REASON_NOT_HOME, region=caller)
    if not is_proven(wanted, certificate, keys):
        wrong = (
            Problem("the signature is wrong", "签名有误")
            if wanted.signature
            else Problem("it has no signature", "没有签名")
        )
        raise Refused(Reason.REASON_NUMBER_ASSIGNMENT_UNPROVEN, region=caller, **problem_of(wrong))


def is_next(plan: NumberPlan, kept: Sequence[NumberAssignment], wanted: NumberAssignment) -> bool:
    """Whether to keep a proven assignment beside the kept ones of its number; False for a repeat.

    Raises Refused with NOT_HOME where another region is the home, which alone can give the number away, and with
    NUMBER_ASSIGNMENT_OUT_OF_ORDER where the giver lacks assignments, or gave the number to two regions.
    """
    standing = plan.standing(wanted.number, kept)
    if standing.region == wanted.region or wanted in kept:
        return False
    if standing.region != wanted.giver:
        raise Refused(Reason.REASON_NOT_HOME, region=wanted.giver)
    same = (wanted.giver, wanted.sequence)
    is_taken = any((each.giver, each.sequence) == same for each in kept)
    if is_taken or wanted.sequence != standing.sequence + 1 or wanted.sign_time_us <= standing.time:
        raise Refused(Reason.REASON_NUMBER_ASSIGNMENT_OUT_OF_ORDER, sequence=str(standing.sequence))
    return True


def written_with(kept: Iterable[NumberAssignment], wanted: NumberAssignment, certificate: bytes) -> int:
    """The bytes that an assignment writes: itself, all of its number, the certificate and the audit row."""
    return sum(each.ByteSize() for each in (*kept, wanted, wanted)) + len(certificate) + _ROWS


def require_kept(before: NumberPlan, wanted: Configuration, assignments: Iterable[NumberAssignment]) -> None:
    """Raises Refused with NUMBER_ASSIGNMENTS_LOST where a configuration changes the home of numbers that have moved.

    A changed prefix does so, since assignments begin at the region that the plan names, and so does the removal of a
    region. An exception that outranks the last assignment of a number is an administrator's own decision.
    """
    plan, regions = NumberPlan(wanted.number_plan), {each.id for each in wanted.regions}
    by_number: dict[str, list[NumberAssignment]] = {}
    for each in assignments:
        by_number.setdefault(each.number, []).append(each)
    lost = [
        number
        for number, found in sorted(by_number.items())
        if _is_lost(before, plan, number, found) or plan.standing(number, found).region not in regions
    ]
    if lost:
        more = ["…"] if len(lost) > _TOLD_NUMBERS else []
        told = listed(numbers=lost[:_TOLD_NUMBERS] + more)
        raise Refused(Reason.REASON_NUMBER_ASSIGNMENTS_LOST, count=str(len(lost)), **told)


def _is_lost(before: NumberPlan, wanted: NumberPlan, number: str, found: Sequence[NumberAssignment]) -> bool:
    standing = before.standing(number, found)
    is_outranked = wanted.outranked(number) >= standing.sequence
    return bool(standing.counted) and not is_outranked and wanted.standing(number, found).region != standing.region
