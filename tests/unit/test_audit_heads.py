"""The comparison of a reported audit head with the kept one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import ON_ITS_WAY, Continuation, KeptHead, continuation
from gateway.time.clock import BETWEEN_TRUSTED
from region_node.node.membership.heartbeat import JOIN_TIMEOUT

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def head(sequence: int, filler: bytes = b"a", after: timedelta = timedelta()) -> KeptHead:
    return KeptHead(Head(sequence, filler * 32), b"", NOON + after)


def test_the_first_head_is_kept() -> None:
    assert continuation(None, head(0)) is Continuation.FURTHER


@given(before=st.integers(0, 100), more=st.integers(1, 100), seconds=st.integers(0, 10**6))
def test_a_longer_chain_is_further_whenever_it_comes(before: int, more: int, seconds: int) -> None:
    told = head(before + more, after=timedelta(seconds=seconds))
    assert continuation(head(before), told) is Continuation.FURTHER


@pytest.mark.parametrize("after", [timedelta(), timedelta(days=30)])
def test_the_same_head_is_known_for_ever(after: timedelta) -> None:
    assert continuation(head(5), head(5, after=after)) is Continuation.KNOWN


@pytest.mark.parametrize("after", [timedelta(), timedelta(days=30)])
def test_another_row_of_the_same_number_contradicts(after: timedelta) -> None:
    assert continuation(head(5), head(5, b"b", after)) is Continuation.CONTRADICTING


def test_a_head_that_another_process_overtook_on_its_way_is_known() -> None:
    assert continuation(head(5), head(4, after=ON_ITS_WAY)) is Continuation.KNOWN


def test_clocks_of_two_coordinators_may_differ_as_those_of_trusted_members() -> None:
    told = head(4, after=BETWEEN_TRUSTED + timedelta(seconds=JOIN_TIMEOUT))
    assert continuation(head(5), told) is Continuation.KNOWN


def test_a_chain_that_is_still_shorter_later_was_cut() -> None:
    told = head(4, after=ON_ITS_WAY + timedelta(microseconds=1))
    assert continuation(head(5), told) is Continuation.CONTRADICTING
