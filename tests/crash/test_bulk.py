"""A file of orders is submitted while either end is killed in the middle: every line has exactly one effect."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy.local.federation import FEDERATION, OPERATOR
from deploy.local.process import ChildProcess, wait_until
from tests.crash.outcome import require_one_effect
from tests.crash.regions import AMOUNT, HANDLING, HOME, SETTLED_SECONDS, account_of, number_of
from tests.crash.scene import Scene

pytestmark = pytest.mark.slow

LINES = 400
PACK = 16
IN_THE_MIDDLE = 60  # orders that are stored when something is killed
PATIENCE = 60.0  # seconds
# Every other order of this scene is about a customer of its own, of which none is the first.
NUMBER = number_of(0)


def write_file(path: Path, run: str) -> list[str]:
    """A file of payments with ids of their own; returns the ids of the orders."""
    requests = [f"{run}-{index}" for index in range(LINES)]
    rows = [f"PAY,{NUMBER},holder,{AMOUNT},{request}" for request in requests]
    header = "business,number,applicant,characteristics.amount,request_id"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return [f"{HANDLING}/{OPERATOR}/{request}" for request in requests]


class Submitting:
    """The command, at the counter of the origin region."""

    def __init__(self, scene: Scene, file: Path, name: str) -> None:
        self.report = file.with_suffix(f".{name}.jsonl")
        self.process = ChildProcess(name, file.with_suffix(f".{name}.log"))
        federation = scene.federation
        command = [sys.executable, "-m", "region_node.cli.main", "orders", "submit-file", str(file), "--json"]
        command += ["--report", str(self.report), "--staff-id", "c-17", "--patience", str(PATIENCE)]
        environment = {
            **os.environ,
            "CROSSREGION_NODE": federation.endpoint(HANDLING),
            "CROSSREGION_CREDENTIALS": str(federation.directory / "certificates" / f"{HANDLING}-{OPERATOR}"),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": HANDLING,
        }
        self.process.run(command, environment)

    def ended(self) -> dict[str, object]:
        """Waits until it has ended well and returns its summary."""
        wait_until(lambda: not self.process.runs(), PATIENCE, "the command ends")
        assert self.process.wait_for_end() == 0, self.process.last_lines()
        summary = json.loads(self.process.log.read_text("utf-8").splitlines()[-1])
        assert isinstance(summary, dict)
        return summary

    def outcomes(self) -> list[dict[str, object]]:
        """The lines of the report."""
        return [json.loads(line) for line in self.report.read_text("utf-8").splitlines()]


def require_one_effect_each(scene: Scene, orders: list[str], before: int) -> None:
    """Waits until all orders are done, and proves by the books of both regions that each had one effect."""

    def done() -> bool:
        pattern = f"{orders[0].rpartition('-')[0]}-%"
        completed = "SELECT COUNT(*) FROM order_events WHERE order_id LIKE ? AND state = 7"
        return all(records.count(completed, pattern) == LINES for records in (scene.handling, scene.home))

    wait_until(done, SETTLED_SECONDS, "all orders are done in both regions")
    account = account_of(NUMBER)
    credited = scene.home.column("SELECT posting_id FROM ledger_entries WHERE account = ?", account)
    of_these = [each for each in credited if str(each).removesuffix("#credit") in set(orders)]
    assert sorted(map(str, of_these)) == sorted(f"{order}#credit" for order in orders)
    assert balance(scene) == before + LINES * AMOUNT
    for region, kinds in ((scene.handling, ("#taken", "#owed")), (scene.home, ("#credit",))):
        postings = region.column(
            "SELECT DISTINCT posting_id FROM ledger_entries WHERE posting_id LIKE ?",
            f"{orders[0].rpartition('-')[0]}-%",
        )
        assert sorted(map(str, postings)) == sorted(f"{order}{kind}" for order in orders for kind in kinds)
        region.verify_chain()


def balance(scene: Scene) -> int:
    """The balance of the customer whom all payments are for."""
    return scene.home.count(
        "SELECT CAST(SUM(amount) AS BIGINT) FROM ledger_entries WHERE account = ?", account_of(NUMBER)
    )


def stored(scene: Scene, orders: list[str]) -> int:
    """How many of the orders are stored at the origin region."""
    pattern = f"{orders[0].rpartition('-')[0]}-%"
    return scene.handling.count("SELECT COUNT(*) FROM orders WHERE order_id LIKE ?", pattern)


def require_all_reported(submitting: Submitting) -> None:
    """Each line has one outcome, and it was taken in."""
    outcomes = submitting.outcomes()
    assert sorted(str(each["request_id"]) for each in outcomes) == sorted(
        {str(each["request_id"]) for each in outcomes}
    )
    assert [each["outcome"] for each in outcomes] == ["accepted"] * LINES


@pytest.mark.timeout(180)
def test_a_file_whose_command_is_killed_in_the_middle_is_done_once_when_it_is_run_again(
    scene: Scene, tmp_path: Path
) -> None:
    before = balance(scene)
    orders = write_file(tmp_path / "payments.csv", f"client-{os.getpid()}-{scene.engine.value}")
    first = Submitting(scene, tmp_path / "payments.csv", "first")
    wait_until(lambda: stored(scene, orders) > IN_THE_MIDDLE, PATIENCE, "some are stored")
    first.process.kill()
    assert first.process.wait_for_end() == -signal.SIGKILL
    assert stored(scene, orders) < LINES, "it was done before it could be killed"
    again = Submitting(scene, tmp_path / "payments.csv", "again")
    assert again.ended()["lines"] == LINES
    require_all_reported(again)
    require_one_effect_each(scene, orders, before)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("region", [HANDLING, HOME])
def test_a_node_that_is_killed_in_the_middle_of_a_file_loses_none_and_does_none_twice(
    scene: Scene, tmp_path: Path, region: str
) -> None:
    before = balance(scene)
    orders = write_file(tmp_path / "payments.csv", f"node-{os.getpid()}-{region}-{scene.engine.value}")
    submitting = Submitting(scene, tmp_path / "payments.csv", "only")
    wait_until(lambda: stored(scene, orders) > IN_THE_MIDDLE, PATIENCE, "some are stored")
    scene.kill(region)
    assert stored(scene, orders) < LINES, "it was done before it could be killed"
    scene.restart(region)
    summary = submitting.ended()
    assert summary["unknown"] == summary["not_sent"] == 0
    require_all_reported(submitting)
    require_one_effect_each(scene, orders, before)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ["S3.before-commit", "S3.after-commit"])
def test_a_pack_whose_node_is_killed_is_sent_again_and_each_of_its_orders_is_done_once(
    scene: Scene, point: str
) -> None:
    requests = [scene.pay() for _ in range(PACK)]
    scene.arm(HANDLING, point)
    answering = scene.start_pack(requests, wait=20.0)
    scene.require_killed(HANDLING)
    assert not answering.done()
    scene.restart(HANDLING)
    assert answering.result(SETTLED_SECONDS) == [require_one_effect(scene, request) for request in requests]
