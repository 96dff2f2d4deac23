"""Regions as members of the federation: their states, and what waits for people there."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from coordinator.wording.ages import told_age
from coordinator.wording.answers import why_not_taken
from coordinator.wording.lanes import why_not_reached
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsResponse
from gateway.api.federation.v1.federation_pb2 import DisputedRevision, Member, MemberState, OpenBreaker
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import unknown
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word

SILENT_AFTER = 10.0  # seconds without a response of the registry before a loud warning: a lease by default


def state_word(state: MemberState.ValueType) -> str:
    """The membership state of a region."""
    return value_word(MemberState.DESCRIPTOR, state)


def registry_warnings(response: ListRegionsResponse, now: datetime) -> Iterator[str]:
    """Loud warnings: the database of the coordinator is an older one, or the registry does not answer."""
    if response.HasField("loss"):
        loss = response.loss
        told = translated(
            "THE DATABASE OF THIS COORDINATOR IS AN OLDER ONE: it ended at row {last}, and {witness} has seen row"
            " {seen}. Nothing is forwarded. Put a newer one back; or suspend and apply again what was lost, and then:"
            " coordinator regions accept-loss {number} REFERENCE",
            last=loss.last_sequence,
            witness=loss.witness,
            seen=loss.seen_sequence,
            number=loss.number,
        )
        if newest := max((each.federation_revision for each in response.members), default=0):
            told += "\n" + translated(
                "Regions work by revision {revision} of the configuration, and take no lower one: apply again what was"
                " lost until that revision is reached.",
                revision=newest,
            )
        yield told
    if (now - from_timestamp(response.registry_time)).total_seconds() > SILENT_AFTER:
        yield translated(
            "THE REGISTRY HAS NOT ANSWERED SINCE {time} ({age}): all of this may be that old. Nothing is forwarded"
            " beyond a lease; changes are refused.",
            time=told_if_set(response.registry_time),
            age=told_age(response.registry_time, now),
        )


def waiting_lines(members: Iterable[Member]) -> Iterator[str]:
    """The members that cannot read the configuration, and the envelopes that wait at their origin, with the reason."""
    for member in members:
        region, report = region_name(member.region), member.report
        if report.unreadable:
            yield translated("{region} has to be upgraded: {problem}", region=region, problem=report.unreadable)
        for each in report.waiting:
            yield translated(
                "{count} envelopes from {origin} to {destination} wait, the oldest since {time}: {why}",
                count=each.count,
                origin=region,
                destination=region_name(each.destination),
                time=told_if_set(each.create_time),
                why=why_not_taken(each.reason, each.destination),
            )
        for disputed in report.disputed_revisions:
            yield _disputed_line(region, disputed)
        for breaker in report.open_breakers:
            yield _breaker_line(region, breaker)


def _breaker_line(origin: str, breaker: OpenBreaker) -> str:
    destination, since, why = region_name(breaker.destination), told_if_set(breaker.open_time), why_not_reached(breaker)
    if not why:
        return translated(
            "{origin} has not reached {destination} since {time}", origin=origin, destination=destination, time=since
        )
    if breaker.waiting:
        return translated(
            "{origin} has not reached {destination} since {time} (envelopes that wait: {count}): {why}",
            origin=origin,
            destination=destination,
            time=since,
            count=breaker.waiting,
            why=why,
        )
    return translated(
        "{origin} has not reached {destination} since {time}: {why}",
        origin=origin,
        destination=destination,
        time=since,
        why=why,
    )


def _disputed_line(region: str, disputed: DisputedRevision) -> str:
    """A region whose configuration another one contradicts, or has in a later revision."""
    other, revision, since = region_name(disputed.region), disputed.revision, told_if_set(disputed.begin_time)
    if disputed.known_digest:
        return translated(
            "{region} and {other} hold different configurations of revision {revision}, since {time}",
            region=region,
            other=other,
            revision=revision,
            time=since,
        )
    return translated(
        "{other} holds revision {revision}, which {region} has not got from a coordinator since {time}",
        region=region,
        other=other,
        revision=revision,
        time=since,
    )


def member_of(members: Iterable[Member], region: str) -> Member:
    """The region as a member. Raises Refused with REGION_UNKNOWN for none of the configuration."""
    known = {each.region: each for each in members}
    if region not in known:
        raise unknown(Reason.REASON_REGION_UNKNOWN, known, region=region)
    return known[region]


def has_beaten(member: Member) -> bool:
    """Whether a heartbeat of the region ever came."""
    return member.HasField("heartbeat_time")
