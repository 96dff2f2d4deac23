"""Messages that pass others and only their destination can read, and their responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.sealing import KEY_BYTES, KeyUnknown, KeyUnusable, PrivateKey, Received, Route, Sent, Unreadable

secrets = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
names = st.text(max_size=20)
routes = st.builds(Route, names, names)
THERE = Route("guangdong", "sichuan")
HOME, STRANGER = PrivateKey(b"h" * KEY_BYTES), PrivateKey(b"x" * KEY_BYTES)


def sent(content: bytes = b"an order", drawn: bytes = b"d" * KEY_BYTES, route: Route = THERE) -> Sent:
    return Sent(content, HOME.public, drawn, route)


def received(sealed: bytes, key: PrivateKey = HOME, route: Route = THERE) -> Received:
    return Received(sealed, lambda key_id: key if key_id == HOME.id else None, route)


@given(st.binary(max_size=6000), st.binary(max_size=6000), secrets, secrets, routes)
def test_both_ends_read_each_other(content: bytes, told: bytes, drawn: bytes, other: bytes, route: Route) -> None:
    way = sent(content, drawn, route)
    arrived = received(way.sealed, route=route)
    assert arrived.content == content
    assert way.open_answer(arrived.answer(told, other)) == told


def test_what_is_sealed_to_another_key_says_so() -> None:
    with pytest.raises(KeyUnknown) as unknown:
        Received(sent().sealed, {STRANGER.id: STRANGER}.get, THERE)
    assert unknown.value.key_id == HOME.id


def test_no_other_key_opens_it() -> None:
    with pytest.raises(Unreadable):
        received(sent().sealed, key=STRANGER)


@given(routes)
def test_it_opens_on_its_own_route_alone(other: Route) -> None:
    if other != THERE:
        with pytest.raises(Unreadable):
            received(sent().sealed, route=other)


def test_nobody_but_the_destination_can_answer() -> None:
    way = sent()
    theirs = way.sealed[8:][:KEY_BYTES]
    forged = Sent(b"done", theirs, b"f" * KEY_BYTES, THERE)
    for answer in (
        forged.sealed,
        forged.sealed[8:],
        received(sent(drawn=b"e" * KEY_BYTES).sealed).answer(b"", b"r" * 32),
    ):
        with pytest.raises(Unreadable):
            way.open_answer(answer)


@given(st.binary(max_size=600), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(content: bytes, place: int, change: int) -> None:
    way = sent(content)
    altered = bytearray(way.sealed)
    altered[place % len(altered)] ^= change
    with pytest.raises((Unreadable, KeyUnknown)):
        received(bytes(altered))
    answer = bytearray(received(way.sealed).answer(content, b"r" * KEY_BYTES))
    answer[place % len(answer)] ^= change
    # The highest bit of a public key means nothing (RFC 7748, 5).
    if place % len(answer) != KEY_BYTES - 1 or change != 128:
        with pytest.raises(Unreadable):
            way.open_answer(bytes(answer))


@given(st.integers(min_value=0))
def test_what_is_cut_or_longer_is_noticed(length: int) -> None:
    way = sent()
    answer = received(way.sealed).answer(b"done", b"r" * KEY_BYTES)
    for wrong in (way.sealed[: length % len(way.sealed)], way.sealed + b"\0"):
        with pytest.raises((Unreadable, KeyUnknown)):
            received(wrong)
    for wrong in (answer[: length % len(answer)], answer + b"\0"):
        with pytest.raises(Unreadable):
            way.open_answer(wrong)


def test_the_length_does_not_tell_a_record_from_a_refusal() -> None:
    assert len(sent(b"").sealed) == len(sent(bytes(4000)).sealed) < len(sent(bytes(5000)).sealed)
    arrived = received(sent().sealed)
    assert len(arrived.answer(b"", b"r" * 32)) == len(arrived.answer(bytes(4000), b"r" * 32))


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(KEY_BYTES), b"\1" + bytes(31), bytes(33)])
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    with pytest.raises(KeyUnusable):
        Sent(b"an order", public, b"d" * KEY_BYTES, THERE)
