"""The figures of faults of the primary."""

from tests.bench.failover import Failover, Outcome, Payments, plain, shown

IN_VAIN = Failover("network", None, "waited 120 s in vain: another member leads")


def outcome(*others: Failover, missing: int = 0, doubled: int = 0, fen: int = 0, losses: int = 0) -> Outcome:
    failovers = [Failover("server", 3.0), Failover("machine", 21.0), Failover("server", 5.0), *others]
    return Outcome(failovers, acknowledged=1200, missing=missing, doubled=doubled, fen=fen, losses=losses)


def test_a_run_is_right_if_nothing_is_missing_doubled_or_fenced() -> None:
    assert outcome().is_right
    wrong = [outcome(missing=1), outcome(doubled=1), outcome(fen=-1), outcome(losses=1), outcome(IN_VAIN)]
    assert not any(each.is_right for each in wrong)


def test_each_kind_of_fault_has_its_times_to_serve_again() -> None:
    table = shown(outcome(IN_VAIN))
    assert [list(column.cells) for column in table.columns] == [
        ["server", "machine", "network"],
        ["2", "1", "1"],
        ["3.0 s", "21.0 s", ""],
        ["5.0 s", "21.0 s", ""],
    ]
    assert "1,200 orders acknowledged" in str(table.title)
    assert "missing 0, doubled 0" in str(table.caption)
    assert "not over in time 1" in str(table.caption)


def test_a_region_is_silent_from_the_fault_to_a_payment_or_between_two_of_them() -> None:
    payments = Payments(taken=[1.0, 2.0, 2.5, 9.0, 9.5])
    assert payments.longest_silence(2.2) == 6.5
    assert payments.longest_silence(3.0) == 6.0
    assert payments.longest_silence(9.5) == 0.0


def test_a_file_has_every_fault_with_its_time() -> None:
    told = plain(outcome(missing=2))
    assert told["missing"] == 2
    assert told["failovers"] == [
        {"fault": "server", "seconds_to_serve_again": 3.0, "problem": ""},
        {"fault": "machine", "seconds_to_serve_again": 21.0, "problem": ""},
        {"fault": "server", "seconds_to_serve_again": 5.0, "problem": ""},
    ]
