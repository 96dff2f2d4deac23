"""The time from which nobody reads an erased customer counts the envelopes that tell other regions of the erasure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.relay.at_rest import envelope_subject
from gateway.store import vault
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.customers.rows import insert_line
from region_node.lifecycle.erasure.operations import apply_erased, read_erasure, retire
from region_node.lifecycle.erasure.scrub_rows import begin_scrub, end_scrubs, keep_attempt
from region_node.lifecycle.erasure.status_envelopes import forget_envelopes
from region_node.node.subjects import customer_subject
from region_node.records.forgetting import FORGET_TIMER, forget_later
from region_node.requests.auditing import AuditedCall
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import FEDERATION, LINE

TOLD = ("guangdong", "henan")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        joined = [Member(region=each, state=MemberState.MEMBER_STATE_JOINED) for each in TOLD]
        found.context.border.current.update(FEDERATION, joined)
        yield found


def erased(kept: Archive) -> list[str]:
    """A customer is erased; returns the subjects of the envelopes that tell it."""
    insert_line(kept.tx, LINE.terminated())
    vault.seal(kept.tx, customer_subject(kept.customer()), "place", b"somebody")
    assert retire(kept.tx, kept.registry, LINE.customer_id, NOW)
    return kept.tx.all(str, "SELECT subject FROM outbox ORDER BY subject")


def answered(kept: Archive, subject: str, now: datetime) -> None:
    """The receipt of a region arrives."""
    closed = to_microseconds(now)
    kept.tx.execute("UPDATE outbox SET closed = :closed WHERE subject = :subject", closed=closed, subject=subject)
    forget_later(kept.tx, subject, now)


def forgotten(kept: Archive, now: datetime) -> None:
    """The timers of envelopes that are due are fired."""
    for timer in due_timers(kept.tx, now):
        if timer.kind == FORGET_TIMER:
            forget = {FORGET_TIMER: lambda tx, timer, now: forget_envelopes(tx, kept.registry, timer, now)}
            fire(kept.tx, timer, forget, now)


def scrubbed(kept: Archive, now: datetime) -> None:
    """The scrub that is due is done, and no archive and no backup is older."""
    scrub = begin_scrub(kept.tx, now)
    if scrub is not None:
        keep_attempt(kept.tx, scrub, "", now)
        end_scrubs(kept.tx, now, now)


def keys_of(kept: Archive, subjects: Sequence[str]) -> list[str]:
    """The ids of the keys of envelopes."""
    return vault.key_ids_of(kept.tx, [envelope_subject(each) for each in subjects])


def unrecoverable(kept: Archive) -> datetime | None:
    """The time that the region tells."""
    call = AuditedCall("region/sichuan/operator/counter", "clerk", NOW)
    found = read_erasure(kept.tx, "", "", LINE.customer_id, call)
    return from_timestamp(found.unrecoverable_time) if found.HasField("unrecoverable_time") else None


def test_an_erasure_is_complete_with_the_scrub_after_the_keys_of_the_last_envelope_that_has_told_it(
    kept: Archive,
) -> None:
    first, second = erased(kept)
    scrubbed(kept, NOW + HOUR)
    assert unrecoverable(kept) is None, "both envelopes have the number"
    answered(kept, first, NOW)
    forgotten(kept, NOW + DAY)
    scrubbed(kept, NOW + DAY)
    assert unrecoverable(kept) is None, "one region has not answered yet"
    answered(kept, second, NOW + DAY)
    forgotten(kept, NOW + 2 * DAY)
    assert keys_of(kept, [first, second]) == []
    assert unrecoverable(kept) is None, "the files have the keys of the second until a scrub"
    scrubbed(kept, NOW + 3 * DAY)
    assert unrecoverable(kept) == NOW + 3 * DAY


def test_a_key_of_such_an_envelope_that_came_back_with_an_older_database_is_scrubbed_again(kept: Archive) -> None:
    told = erased(kept)
    scrubbed(kept, NOW)
    assert apply_erased(kept.tx, kept.registry, keys_of(kept, told), NOW + DAY) == len(TOLD)
    assert unrecoverable(kept) is None
    scrubbed(kept, NOW + 2 * DAY)
    assert unrecoverable(kept) == NOW + 2 * DAY


def test_an_erasure_that_no_other_region_was_told_of_waits_for_its_scrub_alone(kept: Archive) -> None:
    kept.context.border.current.update(FEDERATION, [])
    assert erased(kept) == []
    assert unrecoverable(kept) is None
    scrubbed(kept, NOW + HOUR)
    assert unrecoverable(kept) == NOW + HOUR
