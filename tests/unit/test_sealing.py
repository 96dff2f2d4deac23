"""Messages that pass others and only their destination can read, and their responses: alone, and in sessions."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from gateway.security import sealing
from gateway.security.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    SESSION_MESSAGES,
    SESSION_SECONDS,
    SESSIONS_KEPT,
    KeyUnknown,
    KeyUnusable,
    Message,
    PrivateKey,
    Received,
    Route,
    Sent,
    Session,
    Sessions,
    Unreadable,
    sent_alone,
)

secrets = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
names = st.text(max_size=20)
routes = st.builds(Route, names, names)
THERE = Route("guangdong", "sichuan")
HOME, STRANGER = PrivateKey(b"h" * KEY_BYTES), PrivateKey(b"x" * KEY_BYTES)
Seal = Callable[[bytes, bytes, Route], Sent]


def alone(content: bytes = b"an order", drawn: bytes = b"d" * KEY_BYTES, route: Route = THERE) -> Sent:
    return sent_alone(content, HOME.public, drawn, route)


def in_session(content: bytes = b"an order", drawn: bytes = b"d" * KEY_BYTES, route: Route = THERE) -> Sent:
    return Session(HOME.public, drawn, route).send(content, b"n" * NONCE_BYTES)


both = pytest.mark.parametrize("seal", [alone, in_session])


def a_process() -> PrivateKey:
    """The destination's key as a process has it that has just started."""
    return PrivateKey(b"h" * KEY_BYTES)


def received(message: Message, key: PrivateKey | None = None, route: Route = THERE, now: float = 0.0) -> Received:
    return Received(message, lambda key_id: (key or a_process()) if key_id == HOME.id else None, route, now)


def drawing(byte: bytes = b"r") -> Callable[[int], bytes]:
    return lambda length: byte * length


@both
@given(st.binary(max_size=6000), st.binary(max_size=6000), secrets, secrets, routes)
def test_both_ends_read_each_other(
    seal: Seal, content: bytes, told: bytes, drawn: bytes, other: bytes, route: Route
) -> None:
    way = seal(content, drawn, route)
    arrived = received(way.message, route=route)
    assert arrived.content == content
    assert way.open_answer(arrived.answer(told, lambda length: other[:length])) == told


@both
def test_what_is_sealed_to_another_key_says_so(seal: Callable[[], Sent]) -> None:
    with pytest.raises(KeyUnknown) as unknown:
        Received(seal().message, {STRANGER.id: STRANGER}.get, THERE, 0.0)
    assert unknown.value.key_id == HOME.id


@both
def test_no_other_key_opens_it(seal: Callable[[], Sent]) -> None:
    with pytest.raises(Unreadable):
        received(seal().message, key=STRANGER)


@both
@given(routes)
def test_it_opens_on_its_own_route_alone(seal: Callable[[], Sent], other: Route) -> None:
    key = a_process()
    received(seal().message, key)
    if other != THERE:
        with pytest.raises(Unreadable):
            received(seal().message, key, route=other)


@both
def test_nobody_but_the_destination_can_answer(seal: Seal) -> None:
    way = seal(b"an order", b"d" * KEY_BYTES, THERE)
    nonce, theirs = way.message.nonce, way.message.sealed[8:][:KEY_BYTES]
    forged = [sent_alone(b"done", theirs, b"f" * KEY_BYTES, THERE).message]
    forged.append(Session(theirs, b"f" * KEY_BYTES, THERE).send(b"done", b"n" * NONCE_BYTES).message)
    for answer in (
        *forged,
        *(replace(each, sealed=each.sealed[8:], nonce=nonce) for each in forged),
        received(seal(b"an order", b"e" * KEY_BYTES, THERE).message).answer(b"", drawing()),
    ):
        with pytest.raises(Unreadable):
            way.open_answer(answer)


def changed(content: bytes, place: int, change: int) -> bytes:
    altered = bytearray(content)
    altered[place % len(altered)] ^= change
    return bytes(altered)


@both
@given(st.binary(max_size=600), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(seal: Callable[[bytes], Sent], content: bytes, place: int, change: int) -> None:
    way = seal(content)
    arrived = received(way.message)
    with pytest.raises((Unreadable, KeyUnknown)):
        received(replace(way.message, sealed=changed(way.message.sealed, place, change)))
    answer = arrived.answer(content, drawing())
    # The highest bit of a public key means nothing (RFC 7748, 5).
    if place % len(answer.sealed) != KEY_BYTES - 1 or change != 128:
        with pytest.raises(Unreadable):
            way.open_answer(replace(answer, sealed=changed(answer.sealed, place, change)))


def other_nonces(nonce: bytes) -> Iterator[bytes]:
    """Every changed byte, every shorter nonce, and longer ones."""
    yield from (changed(nonce, place, 1) for place in range(len(nonce)))
    yield from (nonce[:length] for length in range(len(nonce)))
    yield from (nonce + b"\0", nonce * 2, bytes(NONCE_BYTES))


@both
def test_a_nonce_that_is_changed_cut_taken_away_or_added_is_noticed(seal: Callable[[], Sent]) -> None:
    way, key = seal(), a_process()
    answer = received(way.message, key).answer(b"done", drawing())
    for nonce in other_nonces(way.message.nonce):
        if nonce == way.message.nonce:
            continue
        with pytest.raises(Unreadable):
            received(replace(way.message, nonce=nonce), key)
        with pytest.raises(Unreadable):
            way.open_answer(replace(answer, nonce=nonce))
    assert way.open_answer(answer) == b"done"


@both
@given(st.integers(min_value=0))
def test_what_is_cut_or_longer_is_noticed(seal: Callable[[], Sent], length: int) -> None:
    way = seal()
    message, answer = way.message, received(way.message).answer(b"done", drawing())
    for wrong in (message.sealed[: length % len(message.sealed)], message.sealed + b"\0"):
        with pytest.raises((Unreadable, KeyUnknown)):
            received(replace(message, sealed=wrong))
    for wrong in (answer.sealed[: length % len(answer.sealed)], answer.sealed + b"\0"):
        with pytest.raises(Unreadable):
            way.open_answer(replace(answer, sealed=wrong))


@both
def test_the_length_does_not_tell_a_record_from_a_refusal(seal: Callable[[bytes], Sent]) -> None:
    short, long, longer = (len(seal(bytes(length)).message.sealed) for length in (0, 4000, 5000))
    assert short == long < longer
    arrived = received(seal(b"").message)
    short, long = (len(arrived.answer(bytes(length), os.urandom).sealed) for length in (0, 4000))
    assert short == long


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(KEY_BYTES), b"\1" + bytes(31), bytes(33)])
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    with pytest.raises(KeyUnusable):
        sent_alone(b"an order", public, b"d" * KEY_BYTES, THERE)
    with pytest.raises(KeyUnusable):
        Session(public, b"d" * KEY_BYTES, THERE)


@pytest.mark.parametrize("length", [0, NONCE_BYTES - 1, NONCE_BYTES + 1])
def test_a_session_seals_nothing_without_a_whole_nonce(length: int) -> None:
    with pytest.raises(ValueError, match="nonce"):
        Session(HOME.public, b"d" * KEY_BYTES, THERE).send(b"an order", bytes(length))


def a_session(drawn: bytes = b"d", route: Route = THERE, public: bytes = HOME.public) -> Callable[[bytes], Sent]:
    """A session whose messages have one nonce after the other."""
    session, nonces = Session(public, drawn * KEY_BYTES, route), count()
    return lambda content: session.send(content, next(nonces).to_bytes(NONCE_BYTES, "big"))


def test_messages_of_a_session_arrive_in_any_order_and_each_answer_opens_for_its_own_message_alone() -> None:
    send, key = a_session(), a_process()
    ways = [send(str(each).encode()) for each in range(4)]
    arrived = [received(way.message, key) for way in reversed(ways)][::-1]
    assert [each.content for each in arrived] == [b"0", b"1", b"2", b"3"]
    answers = [each.answer(b"to " + each.content, os.urandom) for each in arrived]
    for place, way in enumerate(ways):
        assert way.open_answer(answers[place]) == f"to {place}".encode()
        for other in range(4):
            if other != place:
                with pytest.raises(Unreadable):
                    way.open_answer(answers[other])


def test_an_answer_of_another_session_is_not_taken_though_its_message_has_the_same_nonce() -> None:
    key = a_process()
    way, other = a_session(b"d")(b"an order"), a_session(b"e")(b"an order")
    assert way.message.nonce == other.message.nonce
    for each in (way, other):
        assert each.open_answer(received(each.message, key).answer(b"done", os.urandom)) == b"done"
    with pytest.raises(Unreadable):
        way.open_answer(received(other.message, key).answer(b"done", os.urandom))


def test_nothing_of_a_session_opens_in_the_other_direction() -> None:
    here, key = PrivateKey(b"g" * KEY_BYTES), a_process()
    back = Route(THERE.destination, THERE.origin)
    way, way_back = a_session()(b"an order"), a_session(route=back, public=here.public)(b"an order")
    answer = received(way.message, key).answer(b"done", os.urandom)
    for wrong in (way.message, way_back.message, replace(way.message, sealed=way.message.sealed[8:])):
        with pytest.raises(Unreadable):
            way.open_answer(wrong)
    ends = {each.id: each for each in (here, key)}
    for sealed in (way.message.sealed, HOME.id + answer.sealed, here.id + answer.sealed):
        with pytest.raises(Unreadable):
            Received(replace(answer, sealed=sealed), ends.get, back, 0.0)


def test_every_process_of_the_destination_opens_and_answers_a_session_also_after_a_restart() -> None:
    send, one, other = a_session(), a_process(), a_process()
    for key in (one, other, one, a_process(), other):
        way = send(b"an order")
        arrived = received(way.message, key)
        assert arrived.content == b"an order"
        assert way.open_answer(arrived.answer(b"done", os.urandom)) == b"done"


def test_the_destination_and_a_thief_of_its_key_draw_other_keys_for_answers_to_one_message() -> None:
    way = in_session()
    answers = [received(way.message).answer(b"done", os.urandom).sealed for _ in range(2)]
    assert len({each[:KEY_BYTES] for each in answers}) == 2


def test_a_session_costs_two_exchanges_at_each_end_and_its_later_messages_none(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    exchange = PrivateKey.secret_with

    def counted_exchange(key: PrivateKey, public: bytes) -> bytes:
        done.append("X25519")
        return exchange(key, public)

    def counted_derivation(algorithm: SHA256, length: int, salt: None, info: bytes) -> HKDF:
        done.append("HKDF")
        return HKDF(algorithm, length, salt, info)

    monkeypatch.setattr(PrivateKey, "secret_with", counted_exchange)
    monkeypatch.setattr(sealing, "HKDF", counted_derivation)
    send, key = a_session(), a_process()
    for place in range(4):
        way = send(b"an order")
        way.open_answer(received(way.message, key).answer(b"done", os.urandom))
        assert sorted(done) == (["HKDF"] * 4 + ["X25519"] * 4 if place == 0 else [])
        done.clear()


def test_a_session_ends_by_its_time_and_by_its_messages() -> None:
    sessions: Sessions[str, int] = Sessions()
    assert sessions.use("sichuan", 0.0) is None
    sessions.begin("sichuan", 1, 0.0)
    assert sessions.use("sichuan", SESSION_SECONDS - 1) == 1
    assert sessions.use("sichuan", SESSION_SECONDS) is None
    sessions.begin("sichuan", 2, SESSION_SECONDS)
    for _ in range(SESSION_MESSAGES - 1):
        assert sessions.use("sichuan", SESSION_SECONDS) == 2
    assert sessions.use("sichuan", SESSION_SECONDS) is None
    sessions.begin("sichuan", 3, SESSION_SECONDS)
    sessions.end("sichuan")
    assert sessions.use("sichuan", SESSION_SECONDS) is None


def test_sessions_that_are_over_are_forgotten_and_so_is_the_oldest_of_too_many() -> None:
    sessions: Sessions[int, int] = Sessions()
    for name in range(SESSIONS_KEPT + 1):
        sessions.begin(name, name, 0.0)
    assert (len(sessions), sessions.use(0, 0.0), sessions.use(1, 0.0)) == (SESSIONS_KEPT, None, 1)
    sessions.begin(0, 0, SESSION_SECONDS)
    sessions.expire(SESSION_SECONDS)
    assert len(sessions) == 1


def test_a_destination_keeps_only_sessions_whose_messages_it_has_opened() -> None:
    key, way = a_process(), in_session()
    with pytest.raises(Unreadable):
        received(replace(way.message, nonce=bytes(NONCE_BYTES)), key)
    received(alone().message, key)
    assert len(key.sessions) == 0
    for now in (0.0, 1.0, SESSION_SECONDS):
        assert received(way.message, key, now=now).content == b"an order"
        assert len(key.sessions) == 1
    key.sessions.expire(SESSION_SECONDS * 2)
    assert len(key.sessions) == 0


def test_however_often_a_message_is_replayed_no_key_of_answers_serves_more_than_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealing, "SESSION_MESSAGES", 8)
    key, way = a_process(), in_session()
    drawn = [received(way.message, key).answer(b"done", os.urandom).sealed[:KEY_BYTES] for _ in range(24)]
    assert sorted(drawn.count(each) for each in set(drawn)) == [8, 8, 8]
