"""The figures of kills of the primary."""

from tests.bench.failover import Failover, Outcome, plain, shown


def outcome(*, missing: int = 0, doubled: int = 0, fen: int = 0, losses: int = 0) -> Outcome:
    failovers = [Failover("server", 3.0), Failover("machine", 21.0), Failover("server", 5.0)]
    return Outcome(failovers, acknowledged=1200, missing=missing, doubled=doubled, fen=fen, losses=losses)


def test_a_run_is_right_if_nothing_is_missing_doubled_or_fenced() -> None:
    assert outcome().is_right
    wrong = [outcome(missing=1), outcome(doubled=1), outcome(fen=-1), outcome(losses=1)]
    assert not any(each.is_right for each in wrong)


def test_each_kind_of_kill_has_its_times_to_serve_again() -> None:
    table = shown(outcome())
    assert [list(column.cells) for column in table.columns] == [
        ["server", "machine"],
        ["2", "1"],
        ["3.0 s", "21.0 s"],
        ["5.0 s", "21.0 s"],
    ]
    assert "1,200 orders acknowledged" in str(table.title)
    assert "missing 0, doubled 0" in str(table.caption)


def test_a_file_has_every_kill_with_its_time() -> None:
    told = plain(outcome(missing=2))
    assert told["missing"] == 2
    assert told["failovers"] == [
        {"killed": "server", "seconds_to_serve_again": 3.0},
        {"killed": "machine", "seconds_to_serve_again": 21.0},
        {"killed": "server", "seconds_to_serve_again": 5.0},
    ]
