"""A file of complaints whose import is killed on both sides ends with each line once, and nothing of it missing."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import EMBEDDED, Engine
from deploy.old_complaints import COLUMNS, rows
from gateway.process.failpoints import VARIABLE
from region_node.care.complaints.rows import require_complaint
from tests import preloaded
from tests.crash.records import Records
from tests.crash.test_import import ON_POSTGRESQL, PATIENCE, SLOW
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MAP = ROOT / "deploy" / "import" / "old-complaints.yaml"
REGION = "sichuan"
LINES = 1500
BEFORE_COMMIT = "complaints-imported.before-commit"


@dataclass(frozen=True)
class Site:
    """A region that runs, and a file of complaints for it."""

    federation: LocalFederation
    records: Records
    file: Path

    def start_import(self, endpoint: str) -> "subprocess.Popen[str]":
        """The command, calling the node there."""
        arguments = [str(self.file), "--map", str(MAP), "--staff-id", "4711", "--patience", str(PATIENCE)]
        return subprocess.Popen(
            [sys.executable, "-m", "region_node.cli.main", "complaints", "import", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "CROSSREGION_NODE": endpoint,
                "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / f"{REGION}-{OPERATOR}"),
                "CROSSREGION_FEDERATION": FEDERATION,
                "CROSSREGION_REGION": REGION,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self) -> int:
        """How many lines are in."""
        return max(self.records.count("SELECT COALESCE(MAX(last_line), 0) FROM imports") - 1, 0)

    def restart_node(self, *, dies_at: str = "") -> None:
        """The node once more; it may die at a point."""
        self.federation.start_region(REGION, {VARIABLE: dies_at} if dies_at else None)

    def require_whole(self) -> None:
        """Asserts that every line is one complaint, with its events, figures, levels and timer."""
        ticket_ids = [str(ticket_id) for (ticket_id,) in self.records.rows("SELECT ticket_id FROM complaints")]
        with self.records.database.look() as tx:
            complaints = [require_complaint(tx, ticket_id).complaint for ticket_id in ticket_ids]
        assert sorted(each.external_id for each in complaints) == [f"GD{number:08d}" for number in range(1, LINES + 1)]
        count = self.records.count
        for table in ("complaint_events", "complaint_figures"):
            assert count(f"SELECT COUNT(*) FROM {table}") == LINES
        levels = sum(len(each.escalations) for each in complaints)
        assert count("SELECT COUNT(*) FROM complaint_escalations") == levels
        # No level can have come due in the meantime that an open one below the last level does not wait for.
        waiting = sum(each.state == 5 and each.level < 5 for each in complaints)
        assert count("SELECT COUNT(*) FROM timers WHERE kind = 'complaint-escalation'") == waiting
        assert count("SELECT COUNT(*) FROM notices") == 0


@contextmanager
def site(federation: LocalFederation, directory: Path) -> Iterator[Site]:
    """The federation's one region, running."""
    file = directory / "old.csv"
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows([COLUMNS, *rows(REGION, LINES, 1, datetime.now(UTC))])
    try:
        federation.prepare()
        federation.start()
        records = Records.of(federation, REGION)
        yield Site(federation, records, file)
        records.database.close()
    finally:
        federation.kill()


@pytest.mark.parametrize("engine", list(Engine), ids=lambda engine: engine.value)
def test_an_import_whose_client_and_node_are_killed_leaves_each_complaint_once(
    engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql_server") if engine is Engine.POSTGRESQL else None
    profile = ON_POSTGRESQL if engine is Engine.POSTGRESQL else EMBEDDED
    background = Background()
    with site(
        LocalFederation(tmp_path / "federation", (REGION,), profile, server, launcher=preloaded.launch), tmp_path
    ) as region:
        proxy = FaultProxy(background, lambda: region.federation.endpoint(REGION))
        proxy.delay(SLOW)
        first = region.start_import(proxy.endpoint)
        wait_until(lambda: region.done() > 0, PATIENCE, "the first pieces are in")
        first.kill()
        first.communicate()
        node, done = region.federation.nodes[REGION][0].process, region.done()
        assert 0 < done < LINES
        node.kill()
        region.restart_node(dies_at=BEFORE_COMMIT)
        second = region.start_import(proxy.endpoint)
        wait_until(lambda: not node.runs(), PATIENCE, "the node has died before it has committed a piece")
        assert region.done() == done
        region.restart_node()
        proxy.heal()
        said, _ = second.communicate(timeout=PATIENCE)
        assert second.returncode == 0, said
        region.require_whole()
        third = region.start_import(region.federation.endpoint(REGION))
        said, _ = third.communicate(timeout=PATIENCE)
        assert third.returncode == 0, said
        region.require_whole()
        proxy.close()
    background.close()
