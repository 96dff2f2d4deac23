"""The pure parts of several processes on one database: silence, notifications, and SQL in PostgreSQL's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from gateway.relay.claims import LEASE_SECONDS, Beats, Silence
from gateway.store.postgresql_connecting import Servers, completed
from gateway.store.postgresql_listening import PAYLOAD_BYTES, payloads
from gateway.store.postgresql_rows import translated
from gateway.store.postgresql_schema import ddl

NAMES = st.text("abcdefghij_", min_size=1, max_size=8).filter(lambda name: name[0] != "_")
TEXTS = st.text("abc :%;'-", max_size=12).map(lambda text: text.replace("'", ""))
SUBJECTS = st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200), max_size=80)


def looks(silence: Silence, *counts: int, every: float, other: int = 1) -> list[list[int]]:
    """The silent processes at looks that far apart, with the counter of another process at each."""
    return [list(silence.silent(Beats({0: 1, other: count}), at * every)) for at, count in enumerate(counts)]


@given(st.lists(st.integers(1, 3), min_size=2, max_size=50), st.floats(0.01, LEASE_SECONDS * 0.99))
def test_a_process_that_counts_between_two_looks_within_a_lease_is_never_silent(steps: list[int], every: float) -> None:
    counts = [sum(steps[:index]) for index in range(len(steps))]
    assert looks(Silence(0), *counts, every=every) == [[]] * len(counts)


@given(st.integers(0, 2**40), st.integers(1, 40), st.floats(0.01, 2 * LEASE_SECONDS))
def test_a_process_that_stands_still_is_silent_from_a_lease_after_the_first_look_and_not_before(
    count: int, looked: int, every: float
) -> None:
    for at, silent in enumerate(looks(Silence(0), *[count] * looked, every=every)):
        assert silent == ([1] if at * every >= LEASE_SECONDS else [])


@given(st.integers(0, 2**40), st.sampled_from([-1, 1, 5]))
def test_a_silent_process_whose_count_changes_is_heard_again_even_if_it_began_anew(count: int, change: int) -> None:
    silence = Silence(0)
    assert silence.silent(Beats({1: count}), 0.0) == {}
    assert silence.silent(Beats({1: count}), LEASE_SECONDS) == {1: count}
    assert silence.silent(Beats({1: count + change}), 2 * LEASE_SECONDS) == {}
    assert silence.silent(Beats({1: count + change}), 3 * LEASE_SECONDS) == {1: count + change}


def test_a_process_that_was_gone_is_given_a_whole_lease_when_it_comes_back_with_the_same_count() -> None:
    silence = Silence(0)
    silence.silent(Beats({1: 1}), 0.0)
    silence.silent(Beats({}), LEASE_SECONDS)
    assert silence.silent(Beats({1: 1}), 2 * LEASE_SECONDS) == {}


def test_after_a_time_without_looks_a_lease_begins_anew() -> None:
    silence = Silence(0)
    silence.silent(Beats({1: 1}), 0.0)
    silence.begin_again()
    assert silence.silent(Beats({1: 1}), LEASE_SECONDS) == {}
    assert silence.silent(Beats({1: 1}), 2 * LEASE_SECONDS) == {1: 1}


def test_a_process_does_not_find_itself_silent() -> None:
    silence = Silence(1)
    assert looks(silence, 3, 3, 3, every=LEASE_SECONDS, other=1) == [[], [0], [0]]


@given(st.integers(0, 2**31), SUBJECTS)
def test_every_subject_is_told_once_in_its_order_in_texts_that_a_notification_takes(
    number: int, subjects: list[str]
) -> None:
    told: list[str] = []
    for text in payloads(number, subjects):
        assert len(text.encode()) <= PAYLOAD_BYTES < 8000
        sender, *lines = text.split("\n")
        assert sender == str(number)
        assert lines, "no text without a subject"
        told += lines
    assert told == list(dict.fromkeys(subjects))


def test_subjects_that_fit_into_one_text_take_one() -> None:
    assert payloads(3, ["order/1", "order/2", "order/1"]) == ["3\norder/1\norder/2"]
    assert len(payloads(3, [f"order/{number:04}" for number in range(1000)])) == 2


@given(st.lists(st.tuples(TEXTS, NAMES), min_size=1, max_size=5))
def test_parameters_are_translated_and_quoted_texts_stay_as_they_are(parts: list[tuple[str, str]]) -> None:
    statement = " ".join(f"'{text}' = :{name}" for text, name in parts)
    expected = " ".join(f"'{text.replace('%', '%%')}' = %({name})s" for text, name in parts)
    assert translated(statement).decode() == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a FROM b WHERE c = :c AND d = :c", "SELECT a FROM b WHERE c = %(c)s AND d = %(c)s"),
        ("SELECT 7 % :divisor", "SELECT 7 %% %(divisor)s"),
        ("SELECT 'it''s :not' || :is", "SELECT 'it''s :not' || %(is)s"),
        ("SELECT note LIKE '10%' FROM notes", "SELECT note LIKE '10%%' FROM notes"),
    ],
)
def test_a_statement_in_the_words_of_psycopg(statement: str, expected: str) -> None:
    assert translated(statement).decode() == expected


def test_types_are_translated_and_comments_texts_and_function_bodies_are_not() -> None:
    sql = (
        "CREATE TABLE a (n INTEGER NOT NULL, t TEXT, b BLOB, INTEGERS TEXTUAL); -- an INTEGER, a TEXT, a 'BLOB\n"
        "INSERT INTO a (t) VALUES ('a TEXT; no BLOB'); CREATE FUNCTION f() RETURNS trigger AS $$ SELECT 'x'::TEXT $$;"
    )
    assert ddl(sql) == (
        'CREATE TABLE a (n BIGINT NOT NULL, t TEXT COLLATE "C", b BYTEA, INTEGERS TEXTUAL);'
        " -- an INTEGER, a TEXT, a 'BLOB\n"
        "INSERT INTO a (t) VALUES ('a TEXT; no BLOB');"
        " CREATE FUNCTION f() RETURNS trigger AS $$ SELECT 'x'::TEXT $$;"
    )


@given(st.lists(st.sampled_from(["-- a TEXT\n", "'TEXT'", "$$ TEXT\n $$", "TEXT", "BLOB", "INTEGER", "x"])))
def test_each_type_outside_of_comments_texts_and_bodies_is_translated(parts: list[str]) -> None:
    types = {"TEXT": 'TEXT COLLATE "C"', "BLOB": "BYTEA", "INTEGER": "BIGINT"}
    assert ddl(" ".join(parts)) == " ".join(types.get(part, part) for part in parts)


def test_a_connection_string_is_completed_where_it_says_nothing_and_never_overruled() -> None:
    told = conninfo_to_dict(completed("host=a connect_timeout=60 target_session_attrs=any password=p"))
    assert (told["host"], told["password"]) == ("a", "p")
    assert (told["connect_timeout"], told["target_session_attrs"]) == ("60", "any")
    completed_alone = conninfo_to_dict(completed("postgresql://a/b"))
    assert completed_alone["target_session_attrs"] == "read-write"
    assert int(str(completed_alone["connect_timeout"])) > 0
    assert int(str(completed_alone["tcp_user_timeout"])) > 0


@pytest.mark.parametrize(
    ("given", "hosts", "ports"),
    [
        ("host=a,b,c", ("b,c,a", "b,c,a"), (None, None)),
        ("host=a,b,c port=1,2,3", ("b,c,a", "b,c,a"), ("2,3,1", "2,3,1")),
        ("postgresql://a:1,b:2/d", ("b,a", "b,a"), ("2,1", "2,1")),
        ("host=a,b,c port=1", ("b,c,a", "b,c,a"), ("1", "1")),
        ("host=a", ("a", "a"), (None, None)),
        ("dbname=d", (None, None), (None, None)),
    ],
)
def test_a_server_that_is_passed_over_is_tried_as_the_last_one_however_often(
    given: str, hosts: tuple[str | None, str | None], ports: tuple[str | None, str | None]
) -> None:
    servers = Servers(given)
    assert conninfo_to_dict(servers.conninfo()) == conninfo_to_dict(completed(given))
    for host, port in zip(hosts, ports, strict=True):
        servers.pass_over()
        told = conninfo_to_dict(servers.conninfo())
        assert (told.get("host"), told.get("port")) == (host, port)
