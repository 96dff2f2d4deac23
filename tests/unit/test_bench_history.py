"""The history of the bench, the ratios that count as worse, and the page that shows the last run."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.process import Program
from tests.bench import page
from tests.bench.history import Ratio, Ratios, Run, append, business_ratios, level_ratios, newest, read, worse
from tests.bench.machine import Machine, file_system, machine_of, sync_seconds
from tests.bench.report import Comparison, Level, Round, Spread, Window
from tests.bench.requirements import Needs, NotReady, changes, commit_of
from tests.bench.running import launcher_of

MACHINE = Machine("a processor", cores=2, memory_gib=24, file_system="ext4", kernel="6.1")
ORDERS = Ratio("orders, 128 callers: throughput", "chain", "1/s", 2000.0, 800.0, (0.38, 0.39, 0.4, 0.41, 0.42))
P50 = Ratio("orders, 1 caller: p50", "chain", "ms", 1.5, 9.0, (5.5, 5.8, 6.0, 6.2, 6.5))
RATIOS: Ratios = {"orders/128/throughput": ORDERS, "orders/1/p50": P50}
RUN = Run("a" * 40, "2026-11-28T06:00:00+00:00", MACHINE, "3.11.9", "1.82.3", others_before=0.1, ratios=RATIOS)


def times(ratio: Ratio, *quotients: float) -> Ratio:
    """The ratio with so many times its former value in each round."""
    return replace(ratio, rounds=tuple(each * by for each, by in zip(ratio.rounds, quotients, strict=True)))


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ({"orders/128/throughput": times(ORDERS, 0.9, 0.9, 0.9, 0.9, 0.9)}, ["orders/128/throughput"]),
        (
            {"orders/128/throughput": times(ORDERS, 0.9, 0.9, 0.9, 0.9, 1.2)},
            ["orders/128/throughput"],
        ),  # one quick round
        ({"orders/128/throughput": times(ORDERS, 0.9, 0.9, 0.9, 1.1, 1.1)}, []),  # too few rounds
        ({"orders/128/throughput": times(ORDERS, 0.1, 1.0, 1.0, 1.0, 1.0)}, []),  # one slow round
        ({"orders/128/throughput": times(ORDERS, 1.2, 1.2, 1.2, 1.2, 1.2)}, []),  # more calls a second
        ({"orders/1/p50": times(P50, 1.1, 1.1, 1.1, 1.1, 0.5)}, ["orders/1/p50"]),
        ({"orders/1/p50": times(P50, 0.9, 0.9, 0.9, 0.9, 0.9)}, []),  # less time
        ({"orders/1/p50": replace(P50, rounds=(9.0, 9.0))}, []),  # two rounds say little
        ({"bills": times(ORDERS, 0.1, 0.1, 0.1, 0.1, 0.1)}, []),  # not measured before
    ],
)
def test_worse_is_a_loss_of_more_than_five_percent_in_the_median_round_and_some_loss_in_most(
    now: Ratios, found: Sequence[str]
) -> None:
    assert [each.name for each in worse(RATIOS, now)] == found


def test_a_round_is_compared_with_the_same_round_of_the_other_tree() -> None:
    before = {"orders/128/throughput": replace(ORDERS, rounds=(0.2, 0.4, 0.8))}
    now = {"orders/128/throughput": replace(ORDERS, rounds=(0.18, 0.36, 0.72))}
    assert [each.name for each in worse(before, now)] == ["orders/128/throughput"], "the rounds differ by far more"


def test_a_small_loss_is_not_worse_however_steady_it_is() -> None:
    before = {"orders/128/throughput": replace(ORDERS, rounds=(0.4, 0.4, 0.4))}
    now = {"orders/128/throughput": replace(ORDERS, rounds=(0.385, 0.385, 0.385))}
    assert worse(before, now) == []
    (found,) = worse(before, now, by=0.03)
    assert str(found) == "orders/128/throughput: 0.385, was 0.400"


def test_a_line_is_read_back_and_stands_behind_those_before_it(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    assert read(history) == []
    for run in (RUN, replace(RUN, commit="b" * 40)):
        append(run, history)
    assert read(history) == [RUN, replace(RUN, commit="b" * 40)]
    assert len(history.read_text("utf-8").splitlines()) == 2


def test_only_a_run_of_the_same_machine_is_compared_with() -> None:
    other = replace(RUN, commit="b" * 40, machine=replace(MACHINE, processor="another"))
    assert newest([RUN, other], replace(MACHINE, kernel="6.2")) == RUN
    assert newest([RUN, other], replace(MACHINE, cores=4)) is None


def test_ratios_have_names_units_and_the_medians_of_both_halves() -> None:
    windows = [
        Window(calls, 2.0, p50=0.01, p99=0.04, servers_cpu=1.0, client_cpu=0.5, busy=2.0) for calls in (800, 400)
    ]
    found = level_ratios([Level(32, [Round(*windows)] * 3)], "orders", "orders", "chain")
    rate = found["orders/32/throughput"]
    assert (rate.base, rate.measured, rate.spread, rate.rounds) == (400, 200, Spread(0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert "orders/32/client_cpu_per_call" not in found, "the same program calls both"
    (bill,) = business_ratios(
        [Comparison("bill_time", "a bill, ms", "at home", "elsewhere", [(2.0, 8.0)], "ms")]
    ).items()
    assert bill == ("bill_time", Ratio("a bill: elsewhere", "at home", "ms", 2.0, 8.0, (4.0,)))


def test_the_present_machine_is_described(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    assert all((machine.processor, machine.cores, machine.memory_gib, machine.kernel))
    assert machine.file_system == file_system(tmp_path)
    assert file_system(Path("/proc/self")) == "proc"
    assert sync_seconds(tmp_path) > 0


def test_a_tree_with_changes_is_refused_and_a_clean_one_has_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "file").write_text("one")
    for words in (("init",), ("add", "file"), ("commit", "-m", "One")):
        git(*words)
    monkeypatch.setattr("tests.bench.requirements.ROOT", tmp_path)
    recorded = Needs(tmp_path, synced=False, recorded=True)
    recorded.require()
    assert len(commit_of(tmp_path)) == 40
    (tmp_path / "file").write_text("two")
    assert changes(tmp_path) == " M file\n"
    with pytest.raises(NotReady, match="that of a commit"):
        recorded.require()


def test_programs_of_another_tree_take_their_modules_from_it(tmp_path: Path) -> None:
    tree, log = tmp_path / "tree", tmp_path / "log"
    (tree / "gateway").mkdir(parents=True)
    (tree / "gateway" / "where.py").write_text("print(__file__)")
    program = Program("where", "gateway.where", (), log, tmp_path / "port")
    with log.open("wb") as written:
        assert launcher_of(tree)(program, os.environ, written).wait(30) == 0
    assert log.read_text("utf-8") == f"{tree / 'gateway' / 'where.py'}\n"


def test_the_page_is_fresh() -> None:
    written = page.PAGE.read_text("utf-8")
    assert page.with_figures(written, read()) == written, "run `python -m tests.bench.page`"


def test_the_page_shows_the_last_run_and_marks_one_beside_other_load() -> None:
    empty = "above\n<!-- figures -->\nstale\n<!-- end of figures -->\nbelow\n"
    assert "No run has been recorded yet." in page.with_figures(empty, [])
    shown = page.with_figures(empty, [replace(RUN, commit="b" * 40), replace(RUN, others_before=0.8)])
    assert (shown.startswith("above\n"), shown.endswith("below\n"), "stale" in shown) == (True, True, False)
    assert "Commit `aaaaaaaa` on 2026-11-28: a processor, 2 processors," in shown
    assert "kept 0.8 processors busy" in shown
    row = "| orders, 128 callers: throughput | chain | 1/s | 2,000 | 800 | 0.40 | 0.38 to 0.42 | 5 |"
    assert row in shown
    assert page.with_figures(shown, [replace(RUN, others_before=0.8)]) == shown
